#include "predictions.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "conopa/report/table.h"
#include "model_store.h"

namespace conopa::app {

std::string predictions_text(const ImagePredictions& image) {
  const std::vector<std::string>& names = image.class_names;
  std::string out = image.file + '\n';
  for (const eval::Prediction& p : image.top) {
    fmt::format_to(std::back_inserter(out), "  {:6.2f} %  {:>4}{}{}\n", 100.0 * p.probability,
                   p.index, names.empty() ? "" : "  ",
                   names.empty() ? "" : class_name(names, p.index));
  }
  return out;
}

std::string predictions_json(const ImagePredictions& image) {
  using Json = nlohmann::ordered_json;
  Json line{{"file", image.file}, {"predictions", Json::array()}};
  for (const eval::Prediction& p : image.top) {
    line["predictions"].push_back({{"class", class_name(image.class_names, p.index)},
                                   {"index", p.index},
                                   {"probability", p.probability}});
  }
  // File names need not be UTF-8.
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string predictions_csv(const ImagePredictions& image) {
  // The writer of tables knows how to quote; its first line is dropped.
  report::TextTable table{.header = {"", "", "", "", ""}};
  for (std::size_t i = 0; i < image.top.size(); ++i) {
    const eval::Prediction& p = image.top[i];
    table.rows.push_back({image.file, std::to_string(i + 1), class_name(image.class_names, p.index),
                          std::to_string(p.index), fmt::format("{:.6g}", p.probability)});
  }
  const std::string lines = report::table_csv(table);
  return lines.substr(lines.find('\n') + 1);
}

}  // namespace conopa::app

#include "conopa/train/finish.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "conopa/core/fields_json.h"
#include "conopa/core/system.h"
#include "conopa/image/denormalize.h"
#include "conopa/io/atomic_file.h"
#include "conopa/report/html.h"
#include "conopa/report/metrics_log.h"
#include "train/run_names.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

std::string name_of_class(const std::vector<std::string>& names, std::int64_t k) {
  return k >= 0 && k < std::ssize(names) ? names[static_cast<std::size_t>(k)] : std::to_string(k);
}

std::vector<report::KeyValueTable> configuration(const RunConfig& config) {
  std::vector<report::KeyValueTable> tables;
  const auto json = nlohmann::ordered_json::parse(to_json(config));
  for (const auto& [section, fields] : json.items()) {
    report::KeyValueTable table{.title = section, .rows = {}};
    for (const auto& [key, value] : fields.items()) {
      table.rows.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

std::vector<report::ReportSample> sample_pictures(const FinishInput& input) {
  std::vector<report::ReportSample> out;
  if (input.eval_data == nullptr) return out;
  for (const tasks::SamplePrediction& sample : input.evaluation.samples) {
    report::ReportSample picture{.image = input.eval_data->get(sample.index).image,
                                 .name = input.eval_data->name(sample.index),
                                 .truth = name_of_class(input.class_names, sample.label),
                                 .top = {}};
    for (const auto& [k, probability] : sample.top) {
      picture.top.push_back({name_of_class(input.class_names, k), probability});
    }
    out.push_back(std::move(picture));
  }
  return out;
}

std::vector<report::ReconstructionSample> reconstruction_pictures(const FinishInput& input) {
  std::vector<report::ReconstructionSample> out;
  const image::EvalTransformOptions& transform = input.config.eval_transform;
  const auto picture = [&transform](const HostTensor& tensor) {
    return image::denormalize(tensor, transform.mean, transform.std);
  };
  for (const tasks::Reconstruction& made : input.evaluation.reconstructions) {
    report::ReconstructionSample sample;
    for (const tasks::CaptionedTensor& item : made.pictures) {
      sample.pictures.push_back({.caption = item.caption, .image = picture(item.pixels)});
    }
    sample.name =
        input.eval_data == nullptr ? std::to_string(made.index) : input.eval_data->name(made.index);
    out.push_back(std::move(sample));
  }
  return out;
}

// What tasks without a result of their own kind write: the values by name.
std::string values_json(const tasks::Evaluation& evaluation) {
  nlohmann::ordered_json out;
  out["primary"] = evaluation.primary;
  for (const auto& [name, value] : evaluation.values) out[name] = value;
  return out.dump(2) + "\n";
}

std::vector<report::KeyNumber> key_values(const tasks::Evaluation& evaluation,
                                          const std::string& note) {
  std::vector<report::KeyNumber> out;
  for (const auto& [name, value] : evaluation.values) {
    out.push_back({.label = name, .value = fmt::format("{:.4f}", value), .note = note});
  }
  return out;
}

}  // namespace

std::string run_title(const RunConfig& config, const fs::path& folder) {
  if (!config.output.name.empty()) return config.output.name;
  const fs::path plain = fs::absolute(folder).lexically_normal();
  return plain.has_filename() ? plain.filename().string() : plain.parent_path().filename().string();
}

void write_report(const FinishInput& input) {
  report::RunReport page;
  page.title = run_title(input.config, input.folder);
  page.subtitle =
      fmt::format("{}, {} parameters, {} training images", model_name(input.config),
                  format_count(static_cast<double>(input.parameters)), input.train_images);
  page.series = report::to_series(report::read_metrics(input.folder / "metrics.jsonl"));
  page.evaluation = input.evaluation.classification;
  page.evaluation_title = fmt::format("{} split, {} images, epoch {}", input.eval_split,
                                      input.eval_images, input.chosen_epoch + 1);
  page.key_numbers = page.evaluation ? report::key_numbers(*page.evaluation)
                                     : key_values(input.evaluation, page.evaluation_title);
  write_file_atomically(input.folder / "evaluation.json", page.evaluation
                                                              ? eval::to_json(*page.evaluation)
                                                              : values_json(input.evaluation));
  page.class_names = input.class_names;
  page.samples = sample_pictures(input);
  page.reconstructions = reconstruction_pictures(input);
  page.configuration = configuration(input.config);
  page.environment = {{.title = "Environment", .rows = input.environment}};
  page.command = input.command;
  page.generator = "conopa " + input.version;
  write_file_atomically(input.folder / "report.html", report::render_report(page));
}

}  // namespace conopa::train

#include "conopa/report/model_card.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

namespace conopa::report {
namespace {

/// A YAML double-quoted scalar; JSON strings are a subset of them.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// YAML spells the values that JSON lacks.
std::string yaml_number(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  return fmt::format("{}", value);
}

std::string yaml_list(std::string_view key, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string out = fmt::format("{}:\n", key);
  for (const std::string& item : items) out += fmt::format("- {}\n", quoted(item));
  return out;
}

std::string yaml_result(const CardResult& result) {
  std::string out = fmt::format("  - task:\n      type: {}\n    dataset:\n      name: {}\n",
                                quoted(result.task), quoted(result.dataset));
  const std::string& id = result.dataset_id.empty() ? result.dataset : result.dataset_id;
  out += fmt::format("      type: {}\n", quoted(id));
  if (!result.split.empty()) out += fmt::format("      split: {}\n", quoted(result.split));
  out += fmt::format("    metrics:\n    - type: {}\n", quoted(result.metric));
  if (!result.metric_name.empty())
    out += fmt::format("      name: {}\n", quoted(result.metric_name));
  return out + fmt::format("      value: {}\n", yaml_number(result.value));
}

std::string front_matter(const ModelCard& card) {
  std::string out = "---\n";
  if (!card.license.empty()) out += fmt::format("license: {}\n", quoted(card.license));
  out += "library_name: conopa\n";
  out += yaml_list("tags", card.tags) + yaml_list("datasets", card.datasets) +
         yaml_list("metrics", card.metrics);
  if (!card.results.empty()) {
    out += fmt::format("model-index:\n- name: {}\n  results:\n", quoted(card.name));
    for (const CardResult& result : card.results) out += yaml_result(result);
  }
  return out + "---\n";
}

/// Text for a cell of a Markdown table.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string results_table(const std::vector<CardResult>& results) {
  if (results.empty()) return "";
  std::string out = "| dataset | split | metric | value |\n|---|---|---|---|\n";
  for (const CardResult& result : results) {
    const std::string& metric = result.metric_name.empty() ? result.metric : result.metric_name;
    out += fmt::format("| {} | {} | {} | {:.4f} |\n", cell(result.dataset), cell(result.split),
                       cell(metric), result.value);
  }
  return out;
}

std::string section(std::string_view title, std::string_view body) {
  while (!body.empty() && body.back() == '\n') body.remove_suffix(1);
  return body.empty() ? "" : fmt::format("\n## {}\n\n{}\n", title, body);
}

}  // namespace

std::string render_model_card(const ModelCard& card) {
  std::string out = front_matter(card) + fmt::format("\n# {}\n", card.name);
  if (!card.summary.empty()) out += fmt::format("\n{}\n", card.summary);
  out += section("Use", card.use);
  out += section("Data", card.data);
  out += section("Results", results_table(card.results));
  out += section("Limits", card.limits);
  out += section("How to reproduce", card.reproduction);
  return out;
}

}  // namespace conopa::report

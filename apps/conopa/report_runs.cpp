// conopa report: what run folders hold.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/io/mapped_file.h"
#include "conopa/report/summary_csv.h"
#include "report.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

bool present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::optional<std::int64_t> parameters_in(const Json& description, const std::string& where) {
  try {
    return arch::TensorTable(arch::spec_from_json(description.dump(), where)).parameter_count();
  } catch (const Error& error) {  // a model of another version: its size is not worth a failure
    log_debug("no parameter count: {}", error.what());
    return std::nullopt;
  }
}

/// The JSON object in a file; null if there is none.
Json json_file(const fs::path& path) {
  if (!present(path)) return nullptr;
  Json json = Json::parse(read_text_file(path), nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return json;
  log_warning("{}: expected a JSON object, left out", path.string());
  return nullptr;
}

// The model, then the newest checkpoint of a run in progress, then the recipe.
std::optional<std::int64_t> parameters_of(const fs::path& folder, const Json& config) {
  for (const char* place : {"model", "checkpoints/last"}) {
    const fs::path path = folder / place / "config.json";
    if (const Json json = json_file(path); json.is_object()) {
      if (const auto count = parameters_in(json, path.string())) return count;
    }
  }
  if (!config.is_object() || !config.contains("model")) return std::nullopt;
  Json model = config["model"];
  if (!model.is_object()) return std::nullopt;
  model.erase("preset");  // the fields beside it are complete
  return parameters_in(model, (folder / "config.json").string());
}

std::optional<std::int64_t> train_number(const Json& config, const char* name) {
  if (!config.is_object()) return std::nullopt;
  const Json value = config.value("/train"_json_pointer / name, Json());
  if (!value.is_number_integer()) return std::nullopt;
  return value.get<std::int64_t>();
}

void add_settings(const Json& json, const std::string& name, ReportedRun& run) {
  if (!json.is_object()) {
    run.settings.emplace_back(name, json.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  for (const auto& [key, value] : json.items()) {
    add_settings(value, name.empty() ? key : name + "." + key, run);
  }
}

/// Finished epochs: the rows of summary.csv, which a run in progress adds at the end of an epoch.
std::int64_t finished_epochs(const fs::path& folder,
                             const std::vector<report::MetricEvent>& events) {
  if (present(folder / "summary.csv")) {
    if (const auto last = report::SummaryCsv(folder / "summary.csv").last_epoch()) return *last + 1;
  }
  std::int64_t last = 0;
  for (const report::MetricEvent& event : events) last = std::max(last, event.epoch);
  return last + 1;
}

}  // namespace

ReportedRun read_run(const fs::path& folder) {
  const fs::path metrics = folder / "metrics.jsonl";
  if (!present(metrics)) {
    throw IoError(folder.string(),
                  "expected a run folder with metrics.jsonl, found {}; name the output.dir of "
                  "`conopa train`",
                  present(folder) ? "a folder without" : "no such folder");
  }
  const std::vector<report::MetricEvent> events = report::read_metrics(metrics);
  if (events.empty()) {
    throw FormatError(metrics.string(),
                      "expected logged metrics, found none yet; wait for the first log_every steps "
                      "or leave the run out");
  }
  ReportedRun run{.folder = folder, .series = report::to_series(events)};
  run.epochs = finished_epochs(folder, events);
  run.epoch_seconds = report::seconds_per_epoch(events, run.epochs);
  const Json config = json_file(folder / "config.json");
  run.planned = train_number(config, "epochs");
  run.seed = train_number(config, "seed");
  run.parameters = parameters_of(folder, config);
  if (config.is_object()) add_settings(config, "", run);
  return run;
}

}  // namespace conopa::app

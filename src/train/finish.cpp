#include "conopa/train/finish.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "conopa/core/fields_json.h"
#include "conopa/core/system.h"
#include "conopa/io/atomic_file.h"
#include "conopa/report/html.h"
#include "conopa/report/metrics_log.h"
#include "conopa/report/model_card.h"

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

std::string model_name(const RunConfig& config) {
  return config.model.preset.empty() ? config.model.spec.family : config.model.preset;
}

}  // namespace

std::string run_title(const RunConfig& config, const fs::path& folder) {
  if (!config.output.name.empty()) return config.output.name;
  const fs::path plain = fs::absolute(folder).lexically_normal();
  return plain.has_filename() ? plain.filename().string() : plain.parent_path().filename().string();
}

std::string model_card(const FinishInput& input) {
  const RunConfig& config = input.config;
  const std::string data = fs::path(config.data.path).filename().string();
  report::ModelCard card;
  card.name = run_title(config, input.folder);
  card.tags = {"image-classification", config.model.spec.family};
  card.metrics = {"accuracy"};
  const auto result = [&](std::string_view value, const std::string& metric,
                          const std::string& name) {
    card.results.push_back({.task = "image-classification",
                            .dataset = data,
                            .dataset_id = data,
                            .split = input.eval_split,
                            .metric = metric,
                            .metric_name = name,
                            .value = input.evaluation.value(value)});
  };
  if (input.evaluation.classification) {
    result("top1", "accuracy", "Top-1 accuracy");
    result("top5", "top_5_accuracy",
           fmt::format("Top-{} accuracy", input.evaluation.classification->top_k));
    result("loss", "loss", "Cross entropy");
    result("ece", "expected_calibration_error", "Calibration error (15 bins)");
  }
  card.summary =
      fmt::format("{} with {} parameters, {}x{} pixels, {} classes.", model_name(config),
                  format_count(static_cast<double>(input.parameters)), config.model.spec.height,
                  config.model.spec.width, config.model.spec.num_classes);
  card.use = "Classifies images:\n\n```\nconopa predict MODEL_FOLDER IMAGE...\n```";
  card.data = fmt::format(
      "Trained on {} images of `{}`, evaluated on {} images of its split `{}`. Preprocessing is in "
      "`preprocessor_config.json`.",
      input.train_images, data, input.eval_images, input.eval_split);
  card.limits =
      "It knows the classes it was trained on and nothing else; images unlike the "
      "training data get confident wrong answers.";
  card.reproduction = fmt::format(
      "conopa {}, {} epochs of {} images a step, seed {}. The recipe is `config.toml` of the run "
      "folder.{}",
      input.version, config.train.epochs, config.train.batch, config.train.seed,
      input.command.empty() ? "" : "\n\n```\n" + input.command + "\n```");
  return report::render_model_card(card);
}

void write_report(const FinishInput& input) {
  report::RunReport page;
  page.title = run_title(input.config, input.folder);
  page.subtitle =
      fmt::format("{}, {} parameters, {} training images", model_name(input.config),
                  format_count(static_cast<double>(input.parameters)), input.train_images);
  page.series = report::to_series(report::read_metrics(input.folder / "metrics.jsonl"));
  page.evaluation = input.evaluation.classification;
  if (page.evaluation) {
    page.key_numbers = report::key_numbers(*page.evaluation);
    page.evaluation_title = fmt::format("{} split, {} images, epoch {}", input.eval_split,
                                        input.eval_images, input.chosen_epoch + 1);
    write_file_atomically(input.folder / "evaluation.json", eval::to_json(*page.evaluation));
  }
  page.class_names = input.class_names;
  page.samples = sample_pictures(input);
  page.configuration = configuration(input.config);
  page.environment = {{.title = "Environment", .rows = input.environment}};
  page.command = input.command;
  page.generator = "conopa " + input.version;
  write_file_atomically(input.folder / "report.html", report::render_report(page));
}

}  // namespace conopa::train

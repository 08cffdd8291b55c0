// conopa eval at the model's own size: classes, confusions, samples.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "conopa/core/log.h"
#include "conopa/io/atomic_file.h"
#include "eval.h"

namespace conopa::app {
namespace {

constexpr std::size_t kWorstPairs = 5;
constexpr std::int64_t kMostListedClasses = 100;  // the report and --json hold longer lists

}  // namespace

void print_evaluation(const eval::ClassificationResult& r, const std::vector<std::string>& names) {
  fmt::print("images  {}\ntop-1   {:.2f} %\ntop-{}   {:.2f} %\nloss    {:.4f}\nECE     {:.4f}\n",
             r.samples, 100.0 * r.top1, r.top_k, 100.0 * r.top5, r.loss, r.calibration.ece);
  if (r.non_finite > 0) {
    fmt::print("non-finite logits in {} images, counted as wrong\n", r.non_finite);
  }
  fmt::print("\n{:<16} {:>7} {:>9} {:>9}\n", "class", "images", "recall", "precision");
  for (std::size_t k = 0; k < r.classes.size() && r.num_classes <= kMostListedClasses; ++k) {
    const eval::ClassScores& scores = r.classes[k];
    const auto percent = [](std::optional<double> share) {
      return share ? fmt::format("{:.1f} %", 100.0 * *share) : std::string("-");
    };
    fmt::print("{:<16} {:>7} {:>9} {:>9}\n", class_name(names, static_cast<std::int64_t>(k)),
               scores.support, percent(scores.recall()), percent(scores.precision()));
  }
  fmt::print("\nmost frequent confusions\n");
  for (const eval::ConfusedPair& pair : r.worst_pairs(kWorstPairs)) {
    fmt::print("  {} taken for {}: {}\n", class_name(names, pair.truth),
               class_name(names, pair.predicted), pair.count);
  }
}

void add_outcome(report::RunReport& page, const data::Dataset& dataset,
                 const EvalOutcome& outcome) {
  page.key_numbers = report::key_numbers(outcome.result);
  page.evaluation = outcome.result;
  page.environment.front().rows.emplace_back("engine", outcome.engine);
  for (const eval::SamplePrediction& sample : outcome.samples) {
    report::ReportSample picture{.image = dataset.get(sample.index).image,
                                 .name = dataset.name(sample.index),
                                 .truth = class_name(page.class_names, sample.label),
                                 .top = {}};
    for (const auto& [index, probability] : sample.top) {
      picture.top.push_back({class_name(page.class_names, index), probability});
    }
    page.samples.push_back(std::move(picture));
  }
}

int run_eval(const Context& context, const EvalOptions& options) {
  prepare_engine(context, options.engine);
  const StoredModel model = open_model(options.model);
  const EvalTarget target{.model = model,
                          .spec = evaluated_spec(model, options),
                          .transform = model.transform,
                          .label = "eval",
                          .samples = options.kept_samples()};
  const data::OpenedDataset opened = open_eval_data(options, model);
  const EvalOutcome outcome = evaluate(context, options, target, opened.dataset);
  if (opened.broken && opened.broken->count() > 0) {
    log_warning("{} broken images were skipped", opened.broken->count());
  }
  if (!options.report.empty()) {
    report::RunReport page = evaluation_page(context, options, model.path, model.class_names);
    add_outcome(page, *opened.dataset, outcome);
    write_file_atomically(options.report, report::render_report(page));
  }
  if (context.json) {
    fmt::print("{}\n", nlohmann::ordered_json::parse(eval::to_json(outcome.result)).dump());
  } else {
    print_evaluation(outcome.result, model.class_names);
  }
  return 0;
}

}  // namespace conopa::app

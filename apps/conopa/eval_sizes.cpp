// conopa eval --sizes: one checkpoint at many input sizes without retraining.

#include "eval_sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "conopa/arch/cost.h"
#include "conopa/core/log.h"
#include "conopa/io/atomic_file.h"

namespace conopa::app {
namespace {

constexpr std::string_view kSizes = "--sizes";

// Every size is checked before the first is measured: a slip must not cost hours.
std::vector<EvalTarget> make_targets(const StoredModel& model, const EvalOptions& options) {
  const arch::EncoderSpec base = evaluated_spec(model, options);
  std::vector<EvalTarget> targets;
  for (const InputSize size : parse_input_sizes(options.sizes, kSizes)) {
    arch::EncoderSpec spec = resized_spec(base, size, kSizes);
    image::EvalTransformOptions transform = resized_transform(model.transform, model.spec, spec);
    transform.validate();
    targets.push_back({.model = model,
                       .spec = std::move(spec),
                       .transform = std::move(transform),
                       .label = "eval " + to_string(size),
                       .samples = 0});
  }
  return targets;
}

SizeResult measure(const Context& context, const EvalOptions& options, const EvalTarget& target,
                   const std::shared_ptr<const data::Dataset>& dataset) {
  EvalOutcome outcome = evaluate(context, options, target, dataset);
  SizeResult out{.size = {target.spec.height, target.spec.width},
                 .tokens = target.spec.num_tokens(),
                 .gmacs = static_cast<double>(arch::count_cost(target.spec).macs()) / 1e9,
                 .result = std::move(outcome.result),
                 .images_per_second = 0.0,
                 .engine = std::move(outcome.engine)};
  out.images_per_second =
      outcome.seconds > 0.0 ? static_cast<double>(out.result.samples) / outcome.seconds : 0.0;
  if (out.result.non_finite > 0) {
    log_warning("{}: non-finite logits in {} images, counted as wrong", to_string(out.size),
                out.result.non_finite);
  }
  return out;
}

std::string preprocessing(const StoredModel& model) {
  const image::EvalTransformOptions& transform = model.transform;
  if (transform.mode == image::EvalMode::kSquash) return "squashed to the size";
  if (transform.mode == image::EvalMode::kAsIs) return "not resized";
  const double share = transform.resize_short > 0
                           ? static_cast<double>(std::min(transform.height, transform.width)) /
                                 static_cast<double>(transform.resize_short)
                           : transform.crop_pct;
  return fmt::format("short side / {:.4g}, centre crop", share);
}

void write_report(const Context& context, const EvalOptions& options, const StoredModel& model,
                  const std::vector<SizeResult>& results) {
  report::RunReport page = evaluation_page(context, options, model.path, model.class_names);
  page.subtitle = fmt::format("{} input sizes without retraining, {} images", results.size(),
                              results.front().result.samples);
  page.sections = {size_section(results)};
  page.configuration.push_back(
      {.title = "Evaluation",
       .rows = {{"trained at", to_string(InputSize{model.spec.height, model.spec.width})},
                {"engine", results.front().engine},
                {"batch", std::to_string(options.batch)},
                {"preprocessing", preprocessing(model)}}});
  write_file_atomically(options.report, report::render_report(page));
}

}  // namespace

int run_eval_sizes(const Context& context, const EvalOptions& options) {
  prepare_engine(context, options.engine);
  const StoredModel model = open_model(options.model);
  const std::vector<EvalTarget> targets = make_targets(model, options);
  const data::OpenedDataset opened = open_eval_data(options, model);
  std::vector<SizeResult> results;
  for (const EvalTarget& target : targets) {
    results.push_back(measure(context, options, target, opened.dataset));
    if (!context.json) {  // a row as soon as it is known; long studies are watched
      if (results.size() == 1) fmt::print("{}\n", size_header(results.front()));
      fmt::print("{}\n", size_row(results.back()));
      std::fflush(stdout);
    }
    if (!options.csv.empty()) {
      write_file_atomically(options.csv, report::table_csv(size_csv_table(results)));
    }
  }
  if (opened.broken && opened.broken->count() > 0) {
    log_warning("{} broken images were skipped", opened.broken->count());
  }
  if (!options.report.empty()) write_report(context, options, model, results);
  if (context.json) fmt::print("{}\n", size_json(results));
  return 0;
}

}  // namespace conopa::app

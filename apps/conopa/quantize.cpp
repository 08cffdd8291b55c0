// conopa quantize: the same model with smaller weights, and how good it still is.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/core/log.h"
#include "conopa/data/loader.h"
#include "network.h"
#include "quantize_text.h"

namespace conopa::app {
namespace {

constexpr std::int64_t kBatch = 8;
constexpr std::int64_t kRandomImages = 32;

struct Options {
  std::string model;
  std::string to;
  std::string out;
  std::string calibrate;
  std::string calibrate_split = "train";
  std::int64_t images = 128;
  std::string eval;
  std::int64_t limit = 0;
  std::int64_t threads = 0;
  bool no_measure = false;
  bool force = false;
};

QuantForm checked_form(const Options& options, const StoredModel& model) {
  const QuantForm form = enum_from_name<QuantForm>(options.to).value();  // CLI11 checked it
  if (engine::quantised_names(model.spec, form).empty()) {
    throw UnsupportedError(options.model,
                           "expected matrices with inputs in multiples of {} for {}, found none; "
                           "use --to int8",
                           quant_unit(form), options.to);
  }
  return form;
}

OutputRunner original_of(const StoredModel& model, std::int64_t threads) {
  return {engine::Model::load(model.spec, *model.weights, {.precision = engine::Precision::kFp32}),
          threads, kBatch};
}

ImageSet calibration_images(const Options& options, const StoredModel& model) {
  if (options.calibrate.empty()) return random_images(model, kRandomImages);
  return load_images(model,
                     open_images(model, options.calibrate, options.calibrate_split, options.images),
                     options.calibrate);
}

std::unique_ptr<Progress> make_progress(const Context& context, std::int64_t steps,
                                        std::int64_t batch) {
  std::ostream* out = progress_stream(context);
  if (out == nullptr) return nullptr;
  ProgressOptions shown = detect_progress(STDERR_FILENO);
  shown.label = "measure";
  shown.unit = "images";
  shown.units_per_step = static_cast<double>(batch);
  return std::make_unique<Progress>(*out, steps, shown);
}

// Runs both models over a whole dataset.
Agreement compare_on(const Context& context, const StoredModel& model,
                     const data::OpenedDataset& opened, OutputRunner& original,
                     OutputRunner& quantised) {
  constexpr std::int64_t kLoaded = 64;
  data::Loader loader(
      opened.dataset, image::make_eval_transform(model.transform),
      data::Sampler({.order = data::SampleOrder::kSequential}, opened.dataset->size()),
      {.batch = kLoaded});
  const auto progress = make_progress(context, loader.steps_per_epoch(), kLoaded);
  Agreement out;
  loader.begin_epoch(0);
  while (const std::optional<data::Batch> batch = loader.next()) {
    out.add(original, quantised, batch->images.data<float>(), batch->size(),
            batch->labels.data<std::int64_t>());
    if (progress) progress->update(batch->step + 1);
  }
  if (progress) progress->finish();
  return out;
}

void measure(const Context& context, const Options& options, const StoredModel& model,
             const ImageSet& images, OutputRunner& original, const TensorSource& weights,
             QuantizeOutcome& outcome) {
  OutputRunner quantised(engine::Model::load(model.spec, weights, {}), options.threads, kBatch);
  outcome.precision = enum_name(quantised.session().model().precision());
  if (!options.eval.empty()) {
    const data::OpenedDataset opened = open_images(model, options.eval, "auto", options.limit);
    outcome.measured_on = describe_images(opened, options.eval);
    outcome.dataset = dataset_name(options.eval);
    outcome.split = opened.split;
    outcome.measured = compare_on(context, model, opened, original, quantised);
    return;
  }
  outcome.measured_on = images.what;
  outcome.dataset = images.dataset;
  outcome.split = images.split;
  outcome.measured.emplace().add(original, quantised, images.images, images.count, images.labels);
}

QuantizeOutcome outcome_of(const StoredModel& model, QuantForm form,
                           const QuantizedWeights& weights, const std::string& calibrated_on) {
  return {.form = form,
          .precision = {},
          .bytes_before = bytes_of(*model.weights),
          .bytes_after = weights.source ? bytes_of(*weights.source) : bytes_of(weights.tensors),
          .calibrated_on = calibrated_on,
          .measured_on = {},
          .dataset = {},
          .split = {},
          .measured = {},
          .chosen = weights.chosen,
          .trials = weights.trials};
}

void save(const Context& context, const Options& options, const StoredModel& model,
          const QuantizedWeights& weights, const QuantizeOutcome& outcome) {
  write_model_folder(options.out,
                     {.config_json = arch::spec_to_json(model.spec),
                      .preprocessor_json = to_json(model.transform),
                      .readme = quantized_card(model, options.out, outcome, context.command_line),
                      .tensors = weights.tensors,
                      .source = weights.source.get(),
                      .metadata = weights.metadata},
                     {.overwrite = options.force});
}

// Runs the float model, and unless it is not wanted the quantised one too, and writes.
QuantizeOutcome quantize_with_images(const Context& context, const Options& options,
                                     const StoredModel& model, QuantForm form) {
  if (!options.eval.empty()) {  // a wrong path is found before the work
    static_cast<void>(open_images(model, options.eval, "auto", options.limit));
  }
  const ImageSet images = calibration_images(options, model);
  OutputRunner original = original_of(model, options.threads);
  const bool calibrated = !options.calibrate.empty();
  const QuantizedWeights weights =
      calibrated ? quantize_calibrated(model, form, original, images, options.threads)
                 : quantize_plainly(model, form);
  QuantizeOutcome outcome = outcome_of(model, form, weights, calibrated ? images.what : "");
  if (!options.no_measure) {
    measure(context, options, model, images, original, *logical_weights(weights), outcome);
  }
  save(context, options, model, weights, outcome);
  return outcome;
}

// Runs nothing: each tensor is quantised while it is written.
QuantizeOutcome quantize_alone(const Context& context, const Options& options,
                               const StoredModel& model, QuantForm form) {
  const ComputeThreads threads({.threads = options.threads});
  const QuantizedWeights weights = quantize_streaming(model, form);
  QuantizeOutcome outcome = outcome_of(model, form, weights, "");
  save(context, options, model, weights, outcome);
  return outcome;
}

int run(const Context& context, const Options& options) {
  check_output_folder(options.out, options.force);
  const StoredModel model = open_model(options.model);
  check_weights(model);
  const QuantForm form = checked_form(options, model);
  const QuantizeOutcome outcome = options.no_measure && options.calibrate.empty()
                                      ? quantize_alone(context, options, model, form)
                                      : quantize_with_images(context, options, model, form);
  if (context.json) {
    fmt::print("{}\n", outcome_json(outcome, options.out));
  } else {
    fmt::print("{}written     {}\n", outcome_text(outcome), options.out);
  }
  return 0;
}

}  // namespace

void add_quantize(CLI::App& root, Context& context) {
  CLI::App* command = add_command(root, "quantize", "store a model's weights with fewer bits",
                                  "conopa quantize runs/demo --to int8 --out models/demo8 "
                                  "--calibrate DATA --eval DATA");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  command->add_option("--to", options->to, "int8, q8_0 (8.5 bits a weight) or q4_0 (4.5 bits)")
      ->required()
      ->check(CLI::IsMember({"int8", "q8_0", "q4_0"}));
  command->add_option("-o,--out", options->out, "model folder to write")->required();
  command->add_option("--calibrate", options->calibrate,
                      "dataset whose images choose scales and smoothing");
  command->add_option("--calibrate-split", options->calibrate_split, "its split")
      ->capture_default_str();
  command->add_option("--images", options->images, "calibration images, balanced over classes")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{4096}))
      ->capture_default_str();
  command->add_option("--eval", options->eval, "dataset to measure the accuracy on");
  command->add_option("--limit", options->limit, "images of it; 0 = all")
      ->check(CLI::NonNegativeNumber);
  add_threads_option(*command, options->threads);
  command
      ->add_flag("--no-measure", options->no_measure,
                 "do not run the models; without --calibrate the memory needed is that of the "
                 "largest tensor")
      ->excludes("--eval");
  command->add_flag("-f,--force", options->force, "replace a model folder at --out");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app

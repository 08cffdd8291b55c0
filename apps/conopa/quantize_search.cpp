#include "quantize_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "conopa/core/log.h"
#include "conopa/io/quantised.h"

namespace conopa::app {
namespace {

constexpr std::int64_t kBatch = 8;

std::vector<QuantizeTrial> all_trials() {
  std::vector<QuantizeTrial> out{{.name = "largest value"},
                                 {.name = "search", .clip = true},
                                 {.name = "search, weighted", .clip = true, .weighted = true}};
  for (const double share : {0.15, 0.3, 0.45, 0.6, 0.8}) {
    out.push_back({.name = fmt::format("smoothing {:.2f}", share),
                   .clip = true,
                   .weighted = true,
                   .smoothing = share});
  }
  return out;
}

// What is done without calibration images.
QuantizeTrial plain_trial() { return {.name = "search", .clip = true}; }

Metadata metadata_of(const StoredModel& model, QuantForm form) {
  Metadata out = weight_metadata(model.class_names);
  out.emplace(kWeightFormat, enum_name(form));
  return out;
}

QuantizedWeights quantize(const StoredModel& model, QuantForm form, const QuantizeTrial& trial,
                          const engine::Calibration* calibration) {
  return {
      .tensors = engine::quantise_weights(model.spec, *model.weights,
                                          {.form = form,
                                           .clip = trial.clip,
                                           .calibration = trial.weighted ? calibration : nullptr,
                                           .smoothing = trial.smoothing}),
      .source = nullptr,
      .metadata = metadata_of(model, form),
      .chosen = trial,
      .trials = {}};
}

// Runs the calibration images in portions of the session's batch.
std::vector<float> outputs_of(OutputRunner& runner, const ImageSet& images) {
  return runner.run(images.part(0, images.count), images.count);
}

}  // namespace

std::unique_ptr<TensorSource> logical_weights(const QuantizedWeights& weights) {
  return with_quantised(
      std::make_unique<MemorySource>(weights.tensors, weights.metadata, "quantised weights"));
}

QuantizedWeights quantize_plainly(const StoredModel& model, QuantForm form) {
  return quantize(model, form, plain_trial(), nullptr);
}

QuantizedWeights quantize_streaming(const StoredModel& model, QuantForm form) {
  const QuantizeTrial trial = plain_trial();
  return {
      .tensors = {},
      .source = std::make_unique<ComputedSource>(
          engine::quantised_tensors(model.spec, *model.weights, {.form = form, .clip = trial.clip}),
          Metadata{}, model.path.string()),
      .metadata = metadata_of(model, form),
      .chosen = trial,
      .trials = {}};
}

QuantizedWeights quantize_calibrated(const StoredModel& model, QuantForm form,
                                     OutputRunner& original, const ImageSet& images,
                                     std::int64_t threads) {
  engine::Calibration calibration;
  engine::calibrate(original.session(), images.part(0, images.count), images.count, calibration);
  const std::vector<float> expected = outputs_of(original, images);
  const engine::Precision precision =
      form == QuantForm::kInt8 ? engine::Precision::kInt8 : engine::Precision::kFp32;
  std::optional<QuantizedWeights> best;
  std::vector<QuantizeTrial> trials = all_trials();
  for (QuantizeTrial& trial : trials) {
    QuantizedWeights weights = quantize(model, form, trial, &calibration);
    OutputRunner runner(
        engine::Model::load(model.spec, *logical_weights(weights), {.precision = precision}),
        threads, kBatch);
    OutputDistance distance;
    distance.add(expected, outputs_of(runner, images), runner.width());
    trial.error = distance.relative_error();
    log_info("{:<18} error {:.4f}", trial.name, trial.error);
    weights.chosen.error = trial.error;
    if (!best || trial.error < best->chosen.error) best = std::move(weights);
  }
  best->trials = std::move(trials);
  return std::move(*best);
}

}  // namespace conopa::app

#include "network.h"

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/eval/sample_predictions.h"
#include "torch_parts.h"

namespace conopa::app {

std::vector<Prediction> top_predictions(std::span<const float> logits, std::int64_t count) {
  for (std::size_t k = 0; k < logits.size(); ++k) {
    if (std::isfinite(logits[k])) continue;
    throw RunError("predict",
                   "expected finite outputs of the model, found {} for class {}; its weights are "
                   "damaged, or try --precision fp32",
                   logits[k], k);
  }
  std::vector<Prediction> out;
  for (const auto& [index, probability] : eval::top_classes(logits, count)) {
    out.push_back({.index = index, .probability = probability});
  }
  return out;
}

void prepare_engine(const Context& context, const EngineOptions& options) {
  options.validate();
  if (!options.native()) static_cast<void>(need_torch(context));
}

std::unique_ptr<Network> make_network(const Context& context, const StoredModel& model,
                                      const arch::EncoderSpec& spec, const EngineOptions& options,
                                      std::int64_t batch) {
  if (!options.native()) return need_torch(context).network(model, spec, options);
  return make_native_network(
      model, spec,
      {.precision = enum_from_name<engine::Precision>(options.precision).value(),
       .isa = {},
       .threads = static_cast<int>(options.threads),
       .batch = batch});
}

}  // namespace conopa::app

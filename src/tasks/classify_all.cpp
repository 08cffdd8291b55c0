#include "tasks/classify_all.h"

#include <c10/core/GradMode.h>

#include "conopa/core/error.h"
#include "conopa/eval/classification_meter.h"
#include "conopa/eval/sample_predictions.h"
#include "conopa/nn/convert.h"

namespace conopa::tasks {

Evaluation classify_all(data::Loader& loader, const EvaluateOptions& options, std::int64_t classes,
                        std::int64_t top_k,
                        const std::function<at::Tensor(const data::Batch& batch)>& logits_of) {
  if (loader.dataset().num_classes() > classes) {
    throw ConfigError("evaluate", "the data has {} classes, the model's head {}",
                      loader.dataset().num_classes(), classes);
  }
  const at::NoGradGuard no_grad;
  eval::ClassificationMeter meter(classes);
  eval::SampleKeeper samples(options.samples, loader.dataset().size(), top_k);
  Evaluation out;
  out.primary = "top1";
  loader.begin_epoch(0);
  std::int64_t done = 0;
  while (const std::optional<data::Batch> batch = loader.next()) {
    const at::Tensor logits = logits_of(*batch);
    const auto labels = batch->labels.data<std::int64_t>();
    meter.add(nn::floats(logits), labels);
    samples.add(nn::floats(logits), batch->indices, labels);
    if (options.progress) options.progress(++done, loader.steps_per_epoch());
    if (options.stop && options.stop()) {
      out.complete = false;
      return out;
    }
  }
  const eval::ClassificationResult result = meter.result();
  out.values = {{"loss", result.loss},
                {"top1", result.top1},
                {"top5", result.top5},
                {"ece", result.calibration.ece}};
  out.classification = result;
  out.samples = samples.take();
  return out;
}

}  // namespace conopa::tasks

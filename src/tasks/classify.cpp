#include "conopa/tasks/classify.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "conopa/core/error.h"
#include "conopa/eval/classification_meter.h"
#include "conopa/nn/convert.h"

namespace conopa::tasks {
void ClassifyOptions::validate() const {
  if (loss == ClassifyLoss::kBce && label_smoothing > 0.0) {
    throw ConfigError(
        "classify", "the loss bce takes no label smoothing, got {}; set mixup.label_smoothing to 0",
        label_smoothing);
  }
}

ClassifyTask::ClassifyTask(nn::Encoder encoder, const ClassifyOptions& options)
    : encoder_(std::move(encoder)), options_(options) {
  if (spec().num_classes < 1) {
    throw ConfigError("classify", "the model has no head; set model.num_classes");
  }
  options_.validate();
}

at::Tensor ClassifyTask::images_of(const data::Batch& batch) const {
  return nn::view_as_torch(batch.images).to(encoder_.parameters().device());
}

at::Tensor ClassifyTask::binary_loss(const at::Tensor& logits, const data::Batch& batch,
                                     const nn::Exec& exec) const {
  at::Tensor targets;
  if (batch.targets.empty()) {
    const at::Tensor labels = nn::view_as_torch(batch.labels).to(logits.device());
    targets = at::zeros_like(logits.detach()).scatter_(1, labels.unsqueeze(1), 1.0);  // [B, K]
  } else {
    targets = nn::view_as_torch(batch.targets).to(logits.device()).gt(0.0).to(logits.scalar_type());
  }
  return nn::binary_cross_entropy(logits, targets, exec);
}

StepOutput ClassifyTask::loss(const data::Batch& batch, const StepContext& context) {
  const nn::ForwardOptions forward{.exec = context.exec,
                                   .training = true,
                                   .mask_rate = context.mask_rate,
                                   .drop_path = context.drop_path,
                                   .random = context.random,
                                   .checkpoint_blocks = context.checkpoint_blocks};
  const at::Device device = encoder_.parameters().device();
  const at::Tensor logits = encoder_.forward(images_of(batch), forward).logits;
  if (options_.loss == ClassifyLoss::kBce) return {binary_loss(logits, batch, context.exec)};
  if (!batch.targets.empty()) {
    const at::Tensor targets = nn::view_as_torch(batch.targets).to(device);
    return {nn::soft_target_cross_entropy(logits, targets, context.exec)};
  }
  const at::Tensor labels = nn::view_as_torch(batch.labels).to(device);
  return {nn::label_cross_entropy(logits, labels, options_.label_smoothing, context.exec)};
}

Evaluation ClassifyTask::evaluate(data::Loader& loader, const EvaluateOptions& options) {
  const std::int64_t classes = spec().num_classes;
  if (loader.dataset().num_classes() > classes) {
    throw ConfigError("evaluate", "the data has {} classes, the model's head {}",
                      loader.dataset().num_classes(), classes);
  }
  const at::NoGradGuard no_grad;
  nn::ForwardOptions forward;
  forward.exec = options.exec;
  forward.mask_rate = options.mask_rate;
  eval::ClassificationMeter meter(classes);
  eval::SampleKeeper samples(options.samples, loader.dataset().size(), options_.top_k);
  Evaluation out;
  out.primary = "top1";
  loader.begin_epoch(0);
  std::int64_t done = 0;
  while (const std::optional<data::Batch> batch = loader.next()) {
    const at::Tensor logits =
        encoder_.forward(images_of(*batch), forward).logits.cpu().contiguous();
    meter.add(nn::floats(logits), batch->labels.data<std::int64_t>());
    samples.add(nn::floats(logits), batch->indices, batch->labels.data<std::int64_t>());
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

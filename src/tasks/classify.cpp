#include "conopa/tasks/classify.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "conopa/core/error.h"
#include "conopa/eval/classification_meter.h"
#include "conopa/nn/convert.h"
#include "tasks/classify_all.h"

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
  nn::ForwardOptions forward;
  forward.exec = options.exec;
  forward.mask_rate = options.mask_rate;
  return classify_all(
      loader, options, spec().num_classes, options_.top_k, [&](const data::Batch& batch) {
        return encoder_.forward(images_of(batch), forward).logits.cpu().contiguous();
      });
}

}  // namespace conopa::tasks

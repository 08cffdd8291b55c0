#pragma once

#include "conopa/tasks/task.h"

namespace conopa::tasks {

struct ClassifyOptions {
  /// Used for batches without soft targets; those carry their own smoothing.
  double label_smoothing = 0.0;
  std::int64_t top_k = 3;  ///< classes kept per sample prediction
};

/// Image classification: soft-target cross entropy for batches with targets (mixup, cutmix),
/// label-smoothed cross entropy for the others; top-1, top-5, loss and calibration error.
class ClassifyTask final : public Task {
 public:
  /// @throws ConfigError if the spec has no head.
  explicit ClassifyTask(nn::Encoder encoder, const ClassifyOptions& options = {});

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept override { return encoder_.spec(); }
  [[nodiscard]] nn::Parameters& parameters() noexcept override { return encoder_.parameters(); }
  [[nodiscard]] const nn::Encoder& encoder() const noexcept { return encoder_; }

  [[nodiscard]] StepOutput loss(const data::Batch& batch, const StepContext& context) override;

  /// Values: loss, top1, top5, ece; primary top1. Fills `classification`.
  /// @throws ConfigError if the dataset has more classes than the head.
  [[nodiscard]] Evaluation evaluate(data::Loader& loader, const EvaluateOptions& options) override;

 private:
  [[nodiscard]] at::Tensor images_of(const data::Batch& batch) const;

  nn::Encoder encoder_;
  ClassifyOptions options_;
};

}  // namespace conopa::tasks

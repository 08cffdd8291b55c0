#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "conopa/core/fields.h"
#include "conopa/tasks/task.h"

namespace conopa::tasks {

/// The training loss. kBce: one sigmoid per class, see ClassifyTask.
enum class ClassifyLoss { kCrossEntropy, kBce };

struct ClassifyOptions {
  ClassifyLoss loss = ClassifyLoss::kCrossEntropy;
  /// Used for batches without soft targets; those carry their own smoothing.
  double label_smoothing = 0.0;
  std::int64_t top_k = 3;  ///< classes kept per sample prediction

  /// @throws ConfigError if smoothing meets kBce, whose targets are 0 or 1.
  void validate() const;
};

/// Image classification: top-1, top-5, loss and calibration error.
///
/// kCrossEntropy: soft-target cross entropy for batches with targets (mixup, cutmix),
/// label-smoothed cross entropy for the others. kBce: binary cross entropy averaged over images
/// and classes; every class that a mixed batch gives any weight counts as present in full.
/// @source binary loss: DeiT III (arXiv 2204.07118), section 3, as its training code binarises.
class ClassifyTask final : public Task {
 public:
  /// @throws ConfigError if the spec has no head or the options do not validate.
  explicit ClassifyTask(nn::Encoder encoder, const ClassifyOptions& options = {});

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept override { return encoder_.spec(); }
  [[nodiscard]] nn::Parameters& parameters() noexcept override { return encoder_.parameters(); }
  [[nodiscard]] const nn::Encoder& encoder() const noexcept { return encoder_; }

  [[nodiscard]] StepOutput loss(const data::Batch& batch, const StepContext& context) override;

  /// Values: loss, top1, top5, ece; primary top1. Fills `classification`. The loss is the cross
  /// entropy of the softmax whatever the training loss, so that runs can be compared.
  /// @throws ConfigError if the dataset has more classes than the head.
  [[nodiscard]] Evaluation evaluate(data::Loader& loader, const EvaluateOptions& options) override;

 private:
  [[nodiscard]] at::Tensor images_of(const data::Batch& batch) const;
  [[nodiscard]] at::Tensor binary_loss(const at::Tensor& logits, const data::Batch& batch,
                                       const nn::Exec& exec) const;

  nn::Encoder encoder_;
  ClassifyOptions options_;
};

}  // namespace conopa::tasks

template <>
struct conopa::EnumNames<conopa::tasks::ClassifyLoss> {
  static constexpr std::array<std::string_view, 2> kNames = {"cross_entropy", "bce"};
};

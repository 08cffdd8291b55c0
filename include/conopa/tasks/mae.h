#pragma once

#include <cstdint>

#include "conopa/core/fields.h"
#include "conopa/nn/masked_autoencoder.h"
#include "conopa/tasks/task.h"

namespace conopa::tasks {

struct MaeOptions {
  double mask_ratio = 0.75;  ///< part of the patches that is removed
  bool norm_pix = true;      ///< predict patches in units of their own mean and deviation

  void visit(FieldVisitor& v);
  /// @throws ConfigError unless 0 < mask_ratio < 1.
  void validate() const;
  /// @throws ConfigError if a model of the spec would see no patch or all of them, has no decoder,
  ///         or patches too small to normalise.
  void validate_for(const arch::EncoderSpec& spec) const;
};

/// Masked auto-encoding: predict the pixels of removed patches from the others.
///
/// The loss is the mean squared error of a patch, averaged over the removed patches. Which ones are
/// removed is a function of (seed, epoch, place in the dataset), so neither workers nor
/// micro-batches nor an interruption change it. Labels are never looked at.
/// @source MAE (arXiv 2111.06377); VisionLLaMA (arXiv 2403.00522), section 4.3.
class MaeTask final : public Task {
 public:
  /// @throws ConfigError as options.validate_for().
  explicit MaeTask(nn::Encoder encoder, const MaeOptions& options = {});

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept override { return model_.spec(); }
  [[nodiscard]] nn::Parameters& parameters() noexcept override { return model_.parameters(); }
  [[nodiscard]] const nn::MaskedAutoencoder& model() const noexcept { return model_; }

  /// Everything that one pass computes, on the model's device.
  struct Pass {
    nn::PatchMask mask;
    at::Tensor latent;      ///< [B, K or K + 1, D]
    at::Tensor prediction;  ///< [B, L, P·P·C] float32
    at::Tensor target;      ///< the same, normalised if norm_pix
    at::Tensor loss;        ///< scalar
  };

  /// One pass under given noise.
  /// @param images  [B, C, H, W] float32 on the model's device.
  /// @param noise   [B, L] of any float dtype; the smallest stay.
  [[nodiscard]] Pass forward(const at::Tensor& images, const at::Tensor& noise,
                             const nn::ForwardOptions& options) const;

  [[nodiscard]] StepOutput loss(const data::Batch& batch, const StepContext& context) override;

  /// Values: loss; primary loss, the lower the better. The masks are those of seed 0 and epoch 0,
  /// whatever the run's seed, so that epochs and runs can be compared. Keeps at most 8
  /// reconstructions.
  [[nodiscard]] Evaluation evaluate(data::Loader& loader, const EvaluateOptions& options) override;

 private:
  [[nodiscard]] at::Tensor images_of(const data::Batch& batch) const;
  [[nodiscard]] at::Tensor noise_of(const data::Batch& batch, const nn::NoiseKey& key) const;
  [[nodiscard]] Reconstruction reconstruction(const at::Tensor& images, const Pass& pass,
                                              std::int64_t row) const;

  nn::MaskedAutoencoder model_;
  MaeOptions options_;
};

}  // namespace conopa::tasks

#pragma once

#include <cstdint>

#include "conopa/tasks/clouds.h"
#include "conopa/tasks/task.h"

namespace conopa::tasks {

/// The `[points]` table.
struct PointsOptions {
  CloudOptions clouds = {};
  double smoothing = 0.0;  ///< ε: targets 1 − ε on the label, ε/(K − 1) elsewhere
  points::VoteOptions vote = {};
  std::int64_t top_k = 3;  ///< classes kept per sample prediction
  std::uint64_t seed = 0;  ///< of the votes; the run's

  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
  /// @throws ConfigError unless the model reads points.
  void validate_for(const arch::EncoderSpec& spec) const;
};

/// Classification of point clouds.
///
/// Batches hold whole pools [B, M, 3] in the order of furthest point sampling. Training gives the
/// model the same random spec.point.count of them for all clouds of a batch, evaluation the first
/// ones, which are themselves a furthest-point sample.
/// @source Point-BERT (arXiv 2111.14819); LM4V (arXiv 2310.12973), released code.
class PointsTask final : public Task {
 public:
  /// @throws ConfigError if the spec has no head or reads no points.
  explicit PointsTask(nn::Encoder encoder, const PointsOptions& options = {});

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept override { return encoder_.spec(); }
  [[nodiscard]] nn::Parameters& parameters() noexcept override { return encoder_.parameters(); }
  [[nodiscard]] const nn::Encoder& encoder() const noexcept { return encoder_; }

  [[nodiscard]] StepOutput loss(const data::Batch& batch, const StepContext& context) override;

  /// Values: loss, top1, top5, ece, and with voting vote_top1, the best run's; primary top1.
  /// @throws ConfigError if the dataset has more classes than the head.
  [[nodiscard]] Evaluation evaluate(data::Loader& loader, const EvaluateOptions& options) override;

 private:
  [[nodiscard]] at::Tensor voted(const data::Batch& batch, std::int64_t run,
                                 const nn::ForwardOptions& forward) const;

  nn::Encoder encoder_;
  PointsOptions options_;
};

}  // namespace conopa::tasks

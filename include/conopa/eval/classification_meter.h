#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "conopa/eval/classification.h"

namespace conopa::eval {

/// Sums up batches of logits into a ClassificationResult.
///
/// One meter per worker; combine them with merge, or across processes by adding up sums().
/// Counts do not depend on how samples are split; the loss and confidence sums do only by rounding
/// (doubles). Not thread-safe.
class ClassificationMeter {
 public:
  /// @throws ConfigError if num_classes < 1.
  explicit ClassificationMeter(std::int64_t num_classes);

  /// Adds a batch. The prediction is the largest logit, the lower class winning ties; likewise a
  /// label counts as top-k if fewer than k classes come before it in a stable descending sort.
  ///
  /// @param logits [B, K] float32, row-major.
  /// @param labels [B], 0 ≤ label < K.
  /// @throws ShapeError if the sizes do not fit, FormatError on a label out of range; the meter is
  /// then unchanged.
  /// @complexity O(B·K), no allocation.
  void add(std::span<const float> logits, std::span<const std::int64_t> labels);

  /// Adds another meter's samples.
  /// @throws ShapeError if the class counts differ.
  void merge(const ClassificationMeter& other);

  /// Every accumulator as one flat list whose element-wise sum over workers is the state of the
  /// merged meter (for an all-reduce). Counts are exact up to 2^53.
  [[nodiscard]] std::vector<double> sums() const;
  /// Replaces the state by such a list.
  /// @throws ShapeError if the length does not fit the class count.
  void set_sums(std::span<const double> sums);

  [[nodiscard]] std::int64_t num_classes() const noexcept { return num_classes_; }
  [[nodiscard]] ClassificationResult result() const;

 private:
  struct Bin {
    std::int64_t count = 0;
    std::int64_t correct = 0;
    double confidence = 0.0;
  };

  void add_row(std::span<const float> logits, std::int64_t label);
  template <typename Self, typename Visit>
  static void visit_state(Self& self, Visit&& visit);

  std::int64_t num_classes_;
  std::int64_t samples_ = 0;
  std::int64_t non_finite_ = 0;
  std::int64_t top1_ = 0;
  std::int64_t top5_ = 0;
  double loss_ = 0.0;
  std::vector<Bin> bins_;
  std::vector<ClassScores> classes_;
  std::vector<std::int64_t> confusion_;
};

}  // namespace conopa::eval

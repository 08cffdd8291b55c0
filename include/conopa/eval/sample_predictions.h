#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "conopa/eval/even_spread.h"

namespace conopa::eval {

/// The `count` most probable classes of a softmax over one row of logits with their probabilities,
/// best first; of equal ones the lower number. Fewer if there are fewer classes. A logit that is
/// not a number ranks last.
/// @complexity O(K log count).
[[nodiscard]] std::vector<std::pair<std::int64_t, double>> top_classes(
    std::span<const float> logits, std::int64_t count);

/// What a model made of one evaluated sample.
struct SamplePrediction {
  std::int64_t index = 0;  ///< in the dataset
  std::int64_t label = 0;
  std::vector<std::pair<std::int64_t, double>> top;  ///< class and probability, best first
};

/// Keeps predictions of samples that are spread over an evaluation.
class SampleKeeper {
 public:
  /// @param wanted  samples to keep of `size`; @param top_k  classes to keep of each.
  SampleKeeper(std::int64_t wanted, std::int64_t size, std::int64_t top_k)
      : spread_(wanted, size), top_k_(top_k) {}

  /// Shows the next batch.
  /// @param logits  [B, K]; @param indices, labels  [B].
  void add(std::span<const float> logits, std::span<const std::int64_t> indices,
           std::span<const std::int64_t> labels);

  [[nodiscard]] std::vector<SamplePrediction> take() { return std::move(samples_); }

 private:
  EvenSpread spread_;
  std::int64_t top_k_;
  std::vector<SamplePrediction> samples_;
};

}  // namespace conopa::eval

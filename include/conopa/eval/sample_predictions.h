#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "conopa/eval/even_spread.h"
#include "conopa/eval/top_classes.h"

namespace conopa::eval {

/// What a model made of one evaluated sample.
struct SamplePrediction {
  std::int64_t index = 0;  ///< in the dataset
  std::int64_t label = 0;
  std::vector<Prediction> top;  ///< best first; empty if the logits were not finite
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

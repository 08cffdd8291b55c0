#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace conopa::eval {

/// A class with its probability.
struct Prediction {
  std::int64_t index = 0;
  double probability = 0.0;
};

/// The `count` most probable classes of a softmax over `logits`, best first; of equal ones the
/// lower number. Fewer if there are fewer classes.
/// @throws RunError if a logit is not finite: probabilities would mean nothing.
[[nodiscard]] std::vector<Prediction> top_classes(std::span<const float> logits,
                                                  std::int64_t count);

}  // namespace conopa::eval

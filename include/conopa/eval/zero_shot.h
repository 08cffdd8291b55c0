#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace conopa::eval {

/// The vectors of classes that are described by texts: for each class the mean of its texts' unit
/// vectors, made a unit vector again. Texts come one at a time, so that memory does not grow with
/// their number.
/// @source Radford et al., "Learning transferable visual models from natural language supervision"
///   (arXiv 2103.00020), section 3.1.4 (ensembles of prompts).
class ClassTexts {
 public:
  /// @throws ConfigError unless both are at least 1.
  ClassTexts(std::int64_t classes, std::int64_t width);

  /// Adds a text of a class.
  /// @param text  [width], of any length.
  /// @throws ShapeError for a class out of range or another width; RunError if the vector holds
  ///         NaN or infinity, or has no direction because it is zero.
  void add(std::int64_t index, std::span<const float> text);

  /// [classes, width] unit rows.
  /// @throws RunError for a class without a text, or whose texts cancel out.
  [[nodiscard]] std::vector<float> unit_rows() const;

 private:
  [[nodiscard]] std::int64_t classes() const noexcept;

  std::int64_t width_;
  std::vector<double> sums_;  // [classes, width]
};

/// The factor of cosine similarities that a model has learned: exp(logit_scale), from 1 to 100.
/// @source AIMv2's released code; CLIP (arXiv 2103.00020), section 2.5.
[[nodiscard]] double similarity_scale(double logit_scale) noexcept;

/// scale · cos(image, class), [B, K]. An image whose vector is not finite, or is zero, gets NaN.
///
/// @param images   [B, width], of any length.
/// @param classes  [K, width] unit rows, as ClassTexts makes them.
/// @throws ShapeError if the sizes do not fit.
/// @complexity O(B·K·width), sums in double. Thread-safe.
[[nodiscard]] std::vector<float> similarity_logits(std::span<const float> images,
                                                   std::span<const float> classes,
                                                   std::int64_t width, double scale);

}  // namespace conopa::eval

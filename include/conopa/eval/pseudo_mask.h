#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace conopa::eval {

/// Thresholds of a pseudo-mask: an activation above is taken for the object.
inline constexpr std::array<double, 9> kMaskThresholds = {0.1, 0.2, 0.3, 0.4, 0.5,
                                                          0.6, 0.7, 0.8, 0.9};

/// A mask of the object as the model's tokens see it: a token is positive if at least half of its
/// pixels are covered.
/// @param coverage  [height, width] 0 (background) to 255 (object); values between are pixels that
///                  are covered in part.
/// @param rows, cols  of tokens; they divide height and width.
/// @return  [rows·cols] 0 or 1.
/// @throws ShapeError if the sizes do not fit.
/// @source our choice; LM4V (arXiv 2310.12973) leaves the method open.
[[nodiscard]] std::vector<std::uint8_t> token_mask(std::span<const std::uint8_t> coverage,
                                                   std::int64_t height, std::int64_t width,
                                                   std::int64_t rows, std::int64_t cols);

/// How well an activation map thresholded at each of kMaskThresholds agrees with a mask.
struct PseudoMaskScore {
  std::array<double, kMaskThresholds.size()> iou{};  ///< by threshold, in [0, 1]
  std::size_t best = 0;                              ///< first place of the largest

  [[nodiscard]] double best_iou() const noexcept { return iou[best]; }
  [[nodiscard]] double best_threshold() const noexcept { return kMaskThresholds[best]; }
};

/// Intersection over union, TP / (TP + FP + FN), of `activation > threshold` and the mask; 0 where
/// the union is empty.
/// @param activation  [tokens], min-max scaled.
/// @param mask        [tokens], non-zero is the object.
/// @throws ShapeError if they differ in length or are empty.
/// @source LM4V (arXiv 2310.12973), appendix A.3: strict comparison, the best threshold per image.
[[nodiscard]] PseudoMaskScore pseudo_mask_score(std::span<const double> activation,
                                                std::span<const std::uint8_t> mask);

}  // namespace conopa::eval

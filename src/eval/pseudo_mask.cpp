#include "conopa/eval/pseudo_mask.h"

#include <algorithm>

#include "conopa/core/error.h"

namespace conopa::eval {

std::vector<std::uint8_t> token_mask(std::span<const std::uint8_t> coverage, std::int64_t height,
                                     std::int64_t width, std::int64_t rows, std::int64_t cols) {
  if (rows < 1 || cols < 1 || height < rows || width < cols || height % rows != 0 ||
      width % cols != 0 || std::ssize(coverage) != height * width) {
    throw ShapeError("mask", "expected {}x{} pixels that divide into {}x{} tokens, got {} pixels",
                     height, width, rows, cols, coverage.size());
  }
  std::vector<std::int64_t> sums(static_cast<std::size_t>(rows * cols));
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t token = y / (height / rows) * cols + x / (width / cols);
      sums[static_cast<std::size_t>(token)] += coverage[static_cast<std::size_t>(y * width + x)];
    }
  }
  const std::int64_t full = 255 * (height / rows) * (width / cols);
  std::vector<std::uint8_t> out;
  for (const std::int64_t sum : sums) out.push_back(2 * sum >= full ? 1 : 0);
  return out;
}

PseudoMaskScore pseudo_mask_score(std::span<const double> activation,
                                  std::span<const std::uint8_t> mask) {
  if (activation.empty() || activation.size() != mask.size()) {
    throw ShapeError("mask", "expected as many activations as tokens of the mask, got {} and {}",
                     activation.size(), mask.size());
  }
  PseudoMaskScore out;
  for (std::size_t k = 0; k < kMaskThresholds.size(); ++k) {
    std::int64_t both = 0;
    std::int64_t either = 0;
    for (std::size_t t = 0; t < mask.size(); ++t) {
      const bool found = activation[t] > kMaskThresholds[k];
      const bool object = mask[t] != 0;
      both += found && object ? 1 : 0;
      either += found || object ? 1 : 0;
    }
    out.iou[k] = either > 0 ? static_cast<double>(both) / static_cast<double>(either) : 0.0;
  }
  out.best = static_cast<std::size_t>(std::ranges::max_element(out.iou) - out.iou.begin());
  return out;
}

}  // namespace conopa::eval

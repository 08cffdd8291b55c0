#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "network.h"

namespace conopa::app {

/// How far the values of one layer are from the expected ones, over all images.
struct LayerError {
  std::string name;
  double max_abs = 0.0;  ///< largest difference
  double largest = 0.0;  ///< largest expected magnitude
  double product = 0.0;  ///< of found and expected, and their squares, summed
  double found_square = 0.0;
  double expected_square = 0.0;

  /// max_abs / largest; infinity if something differs where all is 0.
  [[nodiscard]] double relative() const;
  /// Cosine of the angle between both as vectors; 1 if both are 0.
  [[nodiscard]] double cosine() const;
};

/// Sums up the errors of a network against another one batch by batch.
class LayerErrors {
 public:
  /// @param found     layers of Network::layers; their order is that of the table.
  /// @param expected  the same layers in any order, of the same images.
  /// @throws CheckError if a layer is missing or has another shape.
  void add(const std::vector<LayerValues>& found, const std::vector<LayerValues>& expected);

  [[nodiscard]] const std::vector<LayerError>& rows() const noexcept { return rows_; }
  [[nodiscard]] std::int64_t images() const noexcept { return images_; }
  /// Images whose largest logit is the same; all if there are no logits.
  [[nodiscard]] std::int64_t same_top1() const noexcept { return same_top1_; }
  /// The layer with the largest relative error; not a number counts as largest.
  [[nodiscard]] const LayerError& worst() const;

 private:
  std::vector<LayerError> rows_;
  std::int64_t images_ = 0;
  std::int64_t same_top1_ = 0;
};

}  // namespace conopa::app

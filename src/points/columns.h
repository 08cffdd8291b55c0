#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace conopa::points {

/// A cloud as three arrays, so that loops over points read whole vectors.
class Columns {
 public:
  /// @param points  [N, 3].
  explicit Columns(std::span<const float> points)
      : size_(static_cast<std::int64_t>(points.size()) / 3), values_(points.size()) {
    const auto size = static_cast<std::size_t>(size_);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t axis = 0; axis < 3; ++axis) {
        values_[axis * size + i] = points[i * 3 + axis];
      }
    }
  }

  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] const float* x() const noexcept { return values_.data(); }
  [[nodiscard]] const float* y() const noexcept { return values_.data() + size_; }
  [[nodiscard]] const float* z() const noexcept { return values_.data() + 2 * size_; }

 private:
  std::int64_t size_;
  std::vector<float> values_;
};

}  // namespace conopa::points

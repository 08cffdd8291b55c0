#pragma once

#include <cstdint>
#include <span>

namespace conopa::kernels {

/// Rows of float32 at a fixed distance inside a larger buffer, e.g. the gate half of a packed
/// [rows, 2*hidden] projection. Row r starts at values[r * stride].
template <typename T>
struct StridedRows {
  std::span<T> values{};    ///< from the first row's first element to the last row's last, or more
  std::int64_t stride = 0;  ///< elements from one row to the next

  [[nodiscard]] T* row(std::int64_t r) const noexcept { return values.data() + r * stride; }
  [[nodiscard]] T* data() const noexcept { return values.data(); }
  [[nodiscard]] bool empty() const noexcept { return values.empty(); }
};

using ConstRows = StridedRows<const float>;
using MutableRows = StridedRows<float>;

/// Columns [first, ...) of a buffer whose rows are `stride` apart.
template <typename T>
[[nodiscard]] StridedRows<T> columns_from(std::span<T> values, std::int64_t stride,
                                          std::int64_t first) {
  return {values.subspan(static_cast<std::size_t>(first)), stride};
}

}  // namespace conopa::kernels

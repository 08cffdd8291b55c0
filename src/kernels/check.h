#pragma once

#include <cstdint>
#include <string_view>

#include "conopa/core/error.h"
#include "conopa/kernels/rope.h"
#include "conopa/kernels/rows.h"

namespace conopa::kernels {

/// Throws ShapeError unless `actual` elements equal `expected`.
inline void require_size(std::string_view where, std::string_view what, std::size_t actual,
                         std::int64_t expected) {
  if (static_cast<std::int64_t>(actual) != expected) {
    throw ShapeError(where, "{} must hold {} elements, got {}; pass the whole contiguous tensor",
                     what, expected, actual);
  }
}

/// Like require_size, but an empty span is fine too.
inline void require_size_or_empty(std::string_view where, std::string_view what, std::size_t actual,
                                  std::int64_t expected) {
  if (actual != 0) require_size(where, what, actual, expected);
}

/// Throws ShapeError unless `rows` holds `count` rows of `width` elements.
template <typename T>
void require_rows(std::string_view where, std::string_view what, const StridedRows<T>& rows,
                  std::int64_t count, std::int64_t width) {
  if (rows.stride < width) {
    throw ShapeError(where, "row stride of {} must be at least {}, got {}; check the layout", what,
                     width, rows.stride);
  }
  const std::int64_t needed = count > 0 ? (count - 1) * rows.stride + width : 0;
  if (static_cast<std::int64_t>(rows.values.size()) < needed) {
    throw ShapeError(where, "{} must hold at least {} elements, got {}; check shape and stride",
                     what, needed, rows.values.size());
  }
}

/// Throws ShapeError if a dimension is negative.
inline void require_dimension(std::string_view where, std::string_view what, std::int64_t value,
                              std::int64_t least) {
  if (value < least) {
    throw ShapeError(where, "{} must be at least {}, got {}; check the shape", what, least, value);
  }
}

/// Throws ShapeError unless the table covers every row it may be asked for.
void require_rope_table(std::string_view where, const RopeShape& shape, const RopeTable& table);

}  // namespace conopa::kernels

#pragma once

#include <cstdint>
#include <string_view>

#include "conopa/kernels/act_rows.h"
#include "conopa/kernels/isa.h"
#include "kernels/check.h"

namespace conopa::kernels {

/// Throws ShapeError if a buffer that must exist is null.
inline void require_pointer(std::string_view where, std::string_view what, const void* pointer) {
  if (pointer == nullptr) {
    throw ShapeError(where, "{} must point to a buffer, got null; check the call", what);
  }
}

/// Throws ShapeError unless rows of `least` elements fit the stride.
inline void require_stride(std::string_view where, std::string_view what, std::int64_t stride,
                           std::int64_t least) {
  if (stride < least) {
    throw ShapeError(where, "row stride of {} must be at least {}, got {}; check the layout", what,
                     least, stride);
  }
}

/// Throws ShapeError unless `rows` may hold whole padded rows of `width` elements.
inline void require_act(std::string_view where, std::string_view what, const ConstAct& rows,
                        std::int64_t width) {
  require_pointer(where, what, rows.data);
  require_stride(where, what, rows.stride, act_padded(rows.type, width));
  if (rows.type == ActType::kI8) require_pointer(where, "scale of int8 rows", rows.scale);
}

/// Throws UnsupportedError if `isa` is above what the machine offers.
void require_isa(std::string_view where, Isa isa);

}  // namespace conopa::kernels

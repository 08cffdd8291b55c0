#pragma once

#include <cstdint>
#include <span>

#include "conopa/kernels/rows.h"

namespace conopa::kernels {

struct SwigluShape {
  std::int64_t rows = 0;
  std::int64_t hidden = 0;
};

/// out = silu(gate) * up, where silu(g) = g / (1 + exp(-g)).
///
/// Gate and up are separate buffers or the two halves of a packed [rows, 2*hidden] one.
/// @param out  [rows, hidden] rows.
/// @throws ShapeError if a buffer is too short.
/// @complexity O(rows*hidden), no allocation. Thread-safe.
void swiglu_forward(const SwigluShape& shape, ConstRows gate, ConstRows up, MutableRows out);

/// Gradients of swiglu_forward; dgate and dup may overwrite gate and up in place.
void swiglu_backward(const SwigluShape& shape, ConstRows gate, ConstRows up, ConstRows dout,
                     MutableRows dgate, MutableRows dup);

/// y = x/2 * (1 + erf(x/sqrt 2)), the exact GELU; y may be x.
/// @throws ShapeError if the sizes differ.
void gelu_forward(std::span<const float> x, std::span<float> y);

/// dx = dy * gelu'(x); dx may be dy or x.
void gelu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx);

/// y = exp(x) within 2 ulp; overflows to +inf above 88.73, results below the smallest normal number
/// become 0, NaN stays NaN; y may be x.
void vector_exp(std::span<const float> x, std::span<float> y);

}  // namespace conopa::kernels

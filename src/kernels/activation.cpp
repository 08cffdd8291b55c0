#include "conopa/kernels/activation.h"

#include "conopa/kernels/train_ops.h"
#include "kernels/check.h"

namespace conopa::kernels {

namespace {

std::int64_t count(std::span<const float> x) { return static_cast<std::int64_t>(x.size()); }

}  // namespace

void swiglu_forward(const SwigluShape& shape, ConstRows gate, ConstRows up, MutableRows out) {
  require_rows("swiglu", "gate", gate, shape.rows, shape.hidden);
  require_rows("swiglu", "up", up, shape.rows, shape.hidden);
  require_rows("swiglu", "out", out, shape.rows, shape.hidden);
  train_ops().swiglu_forward(shape, gate, up, out);
}

void swiglu_backward(const SwigluShape& shape, ConstRows gate, ConstRows up, ConstRows dout,
                     MutableRows dgate, MutableRows dup) {
  require_rows("swiglu", "gate", gate, shape.rows, shape.hidden);
  require_rows("swiglu", "up", up, shape.rows, shape.hidden);
  require_rows("swiglu", "dout", dout, shape.rows, shape.hidden);
  require_rows("swiglu", "dgate", dgate, shape.rows, shape.hidden);
  require_rows("swiglu", "dup", dup, shape.rows, shape.hidden);
  train_ops().swiglu_backward(shape, gate, up, dout, dgate, dup);
}

void gelu_forward(std::span<const float> x, std::span<float> y) {
  require_size("gelu", "y", y.size(), count(x));
  train_ops().gelu_forward(x, y);
}

void gelu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx) {
  require_size("gelu", "dy", dy.size(), count(x));
  require_size("gelu", "dx", dx.size(), count(x));
  train_ops().gelu_backward(x, dy, dx);
}

void vector_exp(std::span<const float> x, std::span<float> y) {
  require_size("exp", "y", y.size(), count(x));
  train_ops().vector_exp(x, y);
}

}  // namespace conopa::kernels

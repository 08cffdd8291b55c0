#include "conopa/kernels/rope.h"

#include "conopa/kernels/train_ops.h"
#include "kernels/check.h"

namespace conopa::kernels {

void require_rope_table(std::string_view where, const RopeShape& shape, const RopeTable& table) {
  if (shape.head_width % 2 != 0) {
    throw ShapeError(where, "rotation needs an even head width, got {}; check num_heads",
                     shape.head_width);
  }
  if (table.head_stride < 0 || table.batch_stride < 0) {
    throw ShapeError(where, "rotation table strides must not be negative, got {} and {}",
                     table.head_stride, table.batch_stride);
  }
  if (shape.batch * shape.tokens == 0) return;
  const std::int64_t needed = shape.tokens * (shape.head_width / 2) +
                              (shape.heads - 1) * table.head_stride +
                              (shape.batch - 1) * table.batch_stride;
  if (static_cast<std::int64_t>(table.cos.size()) < needed ||
      table.sin.size() != table.cos.size()) {
    throw ShapeError(where,
                     "rotation table must hold {} cosines and sines, got {} and {}; build it for "
                     "this token count",
                     needed, table.cos.size(), table.sin.size());
  }
}

void rope(const RopeShape& shape, const RopeTable& table, RopeDirection direction, ConstRows x,
          MutableRows y) {
  require_dimension("rope", "heads", shape.heads, 1);
  require_dimension("rope", "head width", shape.head_width, 1);
  require_rope_table("rope", shape, table);
  require_rows("rope", "x", x, shape.batch * shape.tokens, shape.heads * shape.head_width);
  require_rows("rope", "y", y, shape.batch * shape.tokens, shape.heads * shape.head_width);
  train_ops().rope(shape, table, direction, x, y);
}

}  // namespace conopa::kernels

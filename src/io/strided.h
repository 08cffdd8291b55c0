#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "conopa/core/dtype.h"
#include "conopa/core/host_tensor.h"
#include "conopa/io/mapped_file.h"

namespace conopa {

/// A tensor whose elements lie at `offset` + sum(index * stride), all in elements.
struct StridedLayout {
  Shape shape;
  Shape strides;
  std::int64_t offset = 0;
};

/// Row-major strides of a shape.
/// @throws ShapeError if the shape is negative or overflows.
[[nodiscard]] Shape row_major_strides(const Shape& shape);
/// Column-major (Fortran) strides of a shape.
[[nodiscard]] Shape column_major_strides(const Shape& shape);

/// Elements that a storage needs for the layout (0 if the tensor is empty); nothing if the layout
/// is malformed: ranks differ, a number is negative, or a product overflows.
[[nodiscard]] std::optional<std::int64_t> storage_elements(const StridedLayout& layout);

/// A tensor of the bytes: a view if they are aligned for the type, else a copy.
/// @throws ShapeError if the byte count does not fit the shape.
[[nodiscard]] HostTensor view_or_copy(DType dtype, Shape shape, const SharedBytes& bytes);

/// A dense tensor of a strided layout: a view where possible, else a copy.
///
/// Requires storage_elements(layout) to fit into the bytes (asserted).
[[nodiscard]] HostTensor make_dense(DType dtype, const StridedLayout& layout,
                                    const SharedBytes& storage);

}  // namespace conopa

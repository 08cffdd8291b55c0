#include "io/strided.h"

#include <cstring>

#include "conopa/core/error.h"

namespace conopa {
namespace {

bool is_row_major(const StridedLayout& layout) {
  std::int64_t expected = 1;
  for (std::size_t axis = layout.shape.size(); axis-- > 0;) {
    if (layout.shape[axis] == 1) continue;  // its stride is never used
    if (layout.strides[axis] != expected) return false;
    expected *= layout.shape[axis];
  }
  return true;
}

/// Bytes of a tensor made by HostTensor::zeros.
std::span<std::byte> writable_bytes(HostTensor& tensor) {
  switch (dtype_size(tensor.dtype())) {
    case 1:
      return std::as_writable_bytes(tensor.mutable_data<std::uint8_t>());
    case 2:
      return std::as_writable_bytes(tensor.mutable_data<std::uint16_t>());
    case 4:
      return std::as_writable_bytes(tensor.mutable_data<std::uint32_t>());
    default:
      return std::as_writable_bytes(tensor.mutable_data<std::uint64_t>());
  }
}

/// Copies element by element; the innermost axis is a plain loop. Needs rank 1 or more.
template <std::size_t kSize>
void gather(const StridedLayout& layout, const std::byte* source, std::byte* target) {
  const std::size_t rank = layout.shape.size();
  const std::int64_t inner = layout.shape[rank - 1];
  const std::int64_t step = layout.strides[rank - 1];
  Shape index(rank, 0);
  std::int64_t base = layout.offset;
  for (;;) {
    for (std::int64_t i = 0; i < inner; ++i, target += kSize) {
      std::memcpy(target, source + (base + i * step) * static_cast<std::int64_t>(kSize), kSize);
    }
    std::size_t axis = rank - 1;
    for (; axis > 0; --axis) {  // count up the outer axes like an odometer
      base += layout.strides[axis - 1];
      if (++index[axis - 1] < layout.shape[axis - 1]) break;
      base -= layout.strides[axis - 1] * layout.shape[axis - 1];
      index[axis - 1] = 0;
    }
    if (axis == 0) return;
  }
}

}  // namespace

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  if (element_count(shape) == 0) return strides;  // never used; the products could overflow
  for (std::size_t axis = shape.size(); axis-- > 1;)
    strides[axis - 1] = strides[axis] * shape[axis];
  return strides;
}

Shape column_major_strides(const Shape& shape) {
  const Shape reversed = row_major_strides(Shape(shape.rbegin(), shape.rend()));
  return {reversed.rbegin(), reversed.rend()};
}

std::optional<std::int64_t> storage_elements(const StridedLayout& layout) {
  if (layout.shape.size() != layout.strides.size() || layout.offset < 0) return std::nullopt;
  std::int64_t count = 1;
  std::int64_t last = layout.offset;
  for (std::size_t axis = 0; axis < layout.shape.size(); ++axis) {
    const std::int64_t size = layout.shape[axis];
    const std::int64_t stride = layout.strides[axis];
    std::int64_t reach = 0;
    if (size < 0 || stride < 0 || __builtin_mul_overflow(count, size, &count)) return std::nullopt;
    if (size == 0) continue;
    if (__builtin_mul_overflow(size - 1, stride, &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return std::nullopt;
    }
  }
  if (count == 0) return 0;
  if (__builtin_add_overflow(last, std::int64_t{1}, &last)) return std::nullopt;
  return last;
}

HostTensor view_or_copy(DType dtype, Shape shape, const SharedBytes& bytes) {
  const auto size = static_cast<std::uintptr_t>(dtype_size(dtype));
  if (!bytes.bytes.empty() && reinterpret_cast<std::uintptr_t>(bytes.bytes.data()) % size == 0) {
    return {dtype, std::move(shape), bytes.bytes, bytes.owner};
  }
  HostTensor out = HostTensor::zeros(dtype, std::move(shape));
  if (out.bytes().size() != bytes.bytes.size()) {
    return {dtype, out.shape(), bytes.bytes, bytes.owner};  // throws
  }
  if (bytes.bytes.empty()) return out;
  std::memcpy(writable_bytes(out).data(), bytes.bytes.data(), bytes.bytes.size());
  return out;
}

HostTensor make_dense(DType dtype, const StridedLayout& layout, const SharedBytes& storage) {
  const std::int64_t size = dtype_size(dtype);
  const std::optional<std::int64_t> needed = storage_elements(layout);
  CONOPA_ASSERT(needed && *needed <= static_cast<std::int64_t>(storage.bytes.size()) / size);
  const std::int64_t count = element_count(layout.shape);
  if (count == 0) return HostTensor::zeros(dtype, layout.shape);
  if (is_row_major(layout)) {
    const auto begin = static_cast<std::size_t>(layout.offset * size);
    const auto bytes = storage.bytes.subspan(begin, static_cast<std::size_t>(count * size));
    return view_or_copy(dtype, layout.shape, {bytes, storage.owner});
  }
  HostTensor out = HostTensor::zeros(dtype, layout.shape);
  std::byte* target = writable_bytes(out).data();
  switch (size) {
    case 1:
      gather<1>(layout, storage.bytes.data(), target);
      break;
    case 2:
      gather<2>(layout, storage.bytes.data(), target);
      break;
    case 4:
      gather<4>(layout, storage.bytes.data(), target);
      break;
    default:
      gather<8>(layout, storage.bytes.data(), target);
      break;
  }
  return out;
}

}  // namespace conopa

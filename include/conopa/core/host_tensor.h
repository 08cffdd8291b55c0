#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "conopa/core/dtype.h"

namespace conopa {

using Shape = std::vector<std::int64_t>;

/// "[2, 3, 4]", for messages.
[[nodiscard]] std::string to_string(const Shape& shape);

/// Product of the dimensions (1 for a scalar).
/// @throws ShapeError on a negative dimension or overflow.
[[nodiscard]] std::int64_t element_count(const Shape& shape);

/// A dense row-major tensor in host memory, the currency between files, data, metrics and the two
/// executors. Copying shares the bytes; they may lie in a memory-mapped file (kept alive by
/// `owner`) and then must not be written.
class HostTensor {
 public:
  HostTensor() = default;

  /// A view of bytes that `owner` keeps alive.
  /// @throws ShapeError if `bytes` does not hold exactly the shape.
  HostTensor(DType dtype, Shape shape, std::span<const std::byte> bytes,
             std::shared_ptr<const void> owner);

  /// Zero-filled, owned, writable through mutable_data.
  [[nodiscard]] static HostTensor zeros(DType dtype, Shape shape);

  /// Copies values in.
  template <typename T>
  [[nodiscard]] static HostTensor of(DType dtype, Shape shape, std::span<const T> values);

  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] std::int64_t dim(std::size_t axis) const { return shape_.at(axis); }
  [[nodiscard]] std::int64_t numel() const noexcept { return numel_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool empty() const noexcept { return bytes_.data() == nullptr; }

  /// Typed view; the element size must match the dtype (checked). Data of files may be unaligned:
  /// then use to_f32 or copy first.
  template <typename T>
  [[nodiscard]] std::span<const T> data() const;

  /// Writable view of a tensor made by zeros() or of().
  /// @throws std::logic_error if the bytes are a file view.
  template <typename T>
  [[nodiscard]] std::span<T> mutable_data();

  /// Converts every element to float32 (bool becomes 0/1); alignment does not matter.
  [[nodiscard]] std::vector<float> to_f32() const;
  /// Converts every element to float64.
  [[nodiscard]] std::vector<double> to_f64() const;
  /// Converts every element to int64; floats are truncated, those beyond its range become its
  /// limits and NaN becomes 0.
  [[nodiscard]] std::vector<std::int64_t> to_i64() const;

  /// The same bytes under another shape.
  /// @throws ShapeError if the element counts differ.
  [[nodiscard]] HostTensor reshaped(Shape shape) const;

  /// A view of `count` entries of the first axis from `begin` on; shares the bytes.
  /// @throws ShapeError if they are not there.
  [[nodiscard]] HostTensor rows(std::int64_t begin, std::int64_t count) const;

 private:
  void check_element(std::size_t size, std::size_t alignment) const;
  [[nodiscard]] std::byte* writable() const;

  DType dtype_ = DType::kF32;
  Shape shape_;
  std::int64_t numel_ = 0;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::byte* writable_ = nullptr;
};

template <typename T>
HostTensor HostTensor::of(DType dtype, Shape shape, std::span<const T> values) {
  HostTensor out = zeros(dtype, std::move(shape));
  out.check_element(sizeof(T), alignof(T));
  std::span<T> target = out.mutable_data<T>();
  if (target.size() != values.size()) out = HostTensor(dtype, out.shape(), {}, nullptr);  // throws
  std::copy(values.begin(), values.end(), target.begin());
  return out;
}

template <typename T>
std::span<const T> HostTensor::data() const {
  check_element(sizeof(T), alignof(T));
  return {reinterpret_cast<const T*>(bytes_.data()), static_cast<std::size_t>(numel_)};
}

template <typename T>
std::span<T> HostTensor::mutable_data() {
  check_element(sizeof(T), alignof(T));
  return {reinterpret_cast<T*>(writable()), static_cast<std::size_t>(numel_)};
}

}  // namespace conopa

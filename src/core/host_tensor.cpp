#include "conopa/core/host_tensor.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include "conopa/core/error.h"

namespace conopa {
namespace {

constexpr std::size_t kAlignment = 64;  // one cache line, one AVX-512 register

template <typename Out, typename In>
Out cast(In value) {
  if constexpr (std::is_floating_point_v<In> && std::is_integral_v<Out>) {
    // A cast of what does not fit is undefined, and files may hold anything.
    constexpr In kLimit = 0x1p63;
    if (std::isnan(value)) return 0;
    if (value >= kLimit) return std::numeric_limits<Out>::max();
    if (value < -kLimit) return std::numeric_limits<Out>::min();
  }
  return static_cast<Out>(value);
}

template <typename Out, typename In, typename Convert>
void convert_as(std::span<const std::byte> bytes, std::vector<Out>& out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    In value;
    std::memcpy(&value, bytes.data() + i * sizeof(In), sizeof(In));
    out[i] = cast<Out>(convert(value));
  }
}

template <typename Out>
std::vector<Out> convert_all(DType dtype, std::span<const std::byte> bytes, std::int64_t numel) {
  std::vector<Out> out(static_cast<std::size_t>(numel));
  const auto same = [](auto value) { return value; };
  switch (dtype) {
    case DType::kF64:
      convert_as<Out, double>(bytes, out, same);
      break;
    case DType::kF32:
      convert_as<Out, float>(bytes, out, same);
      break;
    case DType::kF16:
      convert_as<Out, std::uint16_t>(bytes, out, half_to_float);
      break;
    case DType::kBF16:
      convert_as<Out, std::uint16_t>(bytes, out, bf16_to_float);
      break;
    case DType::kI64:
      convert_as<Out, std::int64_t>(bytes, out, same);
      break;
    case DType::kI32:
      convert_as<Out, std::int32_t>(bytes, out, same);
      break;
    case DType::kI16:
      convert_as<Out, std::int16_t>(bytes, out, same);
      break;
    case DType::kI8:
      convert_as<Out, std::int8_t>(bytes, out, same);
      break;
    case DType::kU8:
      convert_as<Out, std::uint8_t>(bytes, out, same);
      break;
    case DType::kBool:
      convert_as<Out, std::uint8_t>(bytes, out, [](std::uint8_t v) { return v != 0 ? 1 : 0; });
      break;
  }
  return out;
}

}  // namespace

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) {
      throw ShapeError("tensor", "shape {} is negative or overflows; the file is damaged",
                       to_string(shape));
    }
  }
  return count;
}

HostTensor::HostTensor(DType dtype, Shape shape, std::span<const std::byte> bytes,
                       std::shared_ptr<const void> owner)
    : dtype_(dtype),
      shape_(std::move(shape)),
      numel_(element_count(shape_)),
      bytes_(bytes),
      owner_(std::move(owner)) {
  std::int64_t expected = 0;
  if (__builtin_mul_overflow(numel_, dtype_size(dtype_), &expected) ||
      expected != static_cast<std::int64_t>(bytes.size())) {
    throw ShapeError("tensor", "shape {} of {} needs {} bytes, found {}", to_string(shape_),
                     dtype_name(dtype_), expected, bytes.size());
  }
}

HostTensor HostTensor::zeros(DType dtype, Shape shape) {
  std::int64_t size = 0;
  if (__builtin_mul_overflow(element_count(shape), dtype_size(dtype), &size)) {
    throw ShapeError("tensor", "shape {} of {} overflows", to_string(shape), dtype_name(dtype));
  }
  const auto bytes = static_cast<std::size_t>(size);
  auto* memory = static_cast<std::byte*>(::operator new(bytes, std::align_val_t{kAlignment}));
  std::shared_ptr<std::byte> owner(
      memory, [](std::byte* p) { ::operator delete(p, std::align_val_t{kAlignment}); });
  std::memset(memory, 0, bytes);
  HostTensor out(dtype, std::move(shape), {memory, bytes}, std::move(owner));
  out.writable_ = memory;
  return out;
}

void HostTensor::check_element(std::size_t size, std::size_t alignment) const {
  CONOPA_ASSERT(static_cast<std::int64_t>(size) == dtype_size(dtype_));
  CONOPA_ASSERT(reinterpret_cast<std::uintptr_t>(bytes_.data()) % alignment == 0);
}

std::byte* HostTensor::writable() const {
  CONOPA_ASSERT(writable_ != nullptr || numel_ == 0);
  return writable_;
}

std::vector<float> HostTensor::to_f32() const { return convert_all<float>(dtype_, bytes_, numel_); }

std::vector<double> HostTensor::to_f64() const {
  return convert_all<double>(dtype_, bytes_, numel_);
}

std::vector<std::int64_t> HostTensor::to_i64() const {
  return convert_all<std::int64_t>(dtype_, bytes_, numel_);
}

HostTensor HostTensor::reshaped(Shape shape) const {
  if (element_count(shape) != numel_) {
    throw ShapeError("tensor", "cannot view {} as {}: element counts differ", to_string(shape_),
                     to_string(shape));
  }
  HostTensor out = *this;
  out.shape_ = std::move(shape);
  return out;
}

HostTensor HostTensor::rows(std::int64_t begin, std::int64_t count) const {
  if (shape_.empty() || begin < 0 || count < 0 || begin > shape_[0] - count) {
    throw ShapeError("tensor", "cannot take rows {} to {} of {}", begin, begin + count,
                     to_string(shape_));
  }
  Shape shape = shape_;
  shape[0] = count;
  const std::size_t stride =
      shape_[0] == 0 ? 0 : bytes_.size() / static_cast<std::size_t>(shape_[0]);
  return {dtype_, std::move(shape),
          bytes_.subspan(static_cast<std::size_t>(begin) * stride,
                         static_cast<std::size_t>(count) * stride),
          owner_};
}

}  // namespace conopa

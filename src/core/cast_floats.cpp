#include "conopa/core/cast_floats.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "conopa/core/error.h"

namespace conopa {
namespace {

void store(HostTensor& out, std::size_t i, float value) {
  switch (out.dtype()) {
    case DType::kF16:
      out.mutable_data<std::uint16_t>()[i] = float_to_half(value);
      return;
    case DType::kBF16:
      out.mutable_data<std::uint16_t>()[i] = float_to_bf16(value);
      return;
    default:
      out.mutable_data<float>()[i] = value;
  }
}

}  // namespace

bool is_floating(DType dtype) noexcept {
  return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kF16 ||
         dtype == DType::kBF16;
}

std::int64_t count_nonfinite(const HostTensor& tensor) {
  if (!is_floating(tensor.dtype())) return 0;
  const auto bad = [](float value) { return !std::isfinite(value); };
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.bytes().data());
  if (tensor.dtype() == DType::kF32 && address % alignof(float) == 0) {  // without a copy
    const std::span<const float> values = tensor.data<float>();
    return std::count_if(values.begin(), values.end(), bad);
  }
  const std::vector<float> values = tensor.to_f32();
  return std::count_if(values.begin(), values.end(), bad);
}

HostTensor cast_floats(const HostTensor& tensor, DType dtype, std::string_view name) {
  if (tensor.dtype() == dtype || !is_floating(tensor.dtype())) return tensor;
  const std::vector<float> values = tensor.to_f32();
  HostTensor out = HostTensor::zeros(dtype, tensor.shape());
  for (std::size_t i = 0; i < values.size(); ++i) store(out, i, values[i]);
  const std::int64_t before = count_nonfinite(tensor);
  if (const std::int64_t lost = count_nonfinite(out) - before; lost > 0) {
    throw FormatError(name, "{} values are too large for {}; use bf16 or f32", lost,
                      dtype_name(dtype));
  }
  return out;
}

}  // namespace conopa

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace conopa {

/// Element types that files and tensors of the project hold.
enum class DType : std::uint8_t { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

/// Bytes of one element.
[[nodiscard]] std::int64_t dtype_size(DType dtype) noexcept;

/// The safetensors spelling: "F32", "BF16", "I64", "BOOL", ...
[[nodiscard]] std::string_view dtype_name(DType dtype) noexcept;

/// Inverse of dtype_name; nothing for an unknown spelling.
[[nodiscard]] std::optional<DType> dtype_from_name(std::string_view name) noexcept;

/// IEEE half bits to float, exact (subnormals, infinities and NaN included).
[[nodiscard]] float half_to_float(std::uint16_t bits) noexcept;
/// Float to IEEE half bits, round to nearest even.
[[nodiscard]] std::uint16_t float_to_half(float value) noexcept;
/// bfloat16 bits to float, exact.
[[nodiscard]] float bf16_to_float(std::uint16_t bits) noexcept;
/// Float to bfloat16 bits, round to nearest even; NaN stays NaN.
[[nodiscard]] std::uint16_t float_to_bf16(float value) noexcept;

}  // namespace conopa

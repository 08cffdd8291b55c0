#pragma once

#include <cstdint>

namespace conopa::kernels {

/// Element types of activations between inference kernels. Sums, norms, softmax and the residual
/// stream are float32 whatever the type.
enum class ActType : std::uint8_t {
  kF32,
  kBf16,  ///< bfloat16 bits in uint16, rounded to nearest even
  kI8     ///< int8 with one float32 scale a row: value = scale[row] * element
};

/// Bytes of one element.
[[nodiscard]] constexpr std::int64_t act_size(ActType type) noexcept {
  return type == ActType::kF32 ? 4 : type == ActType::kBf16 ? 2 : 1;
}

/// Elements that a row of `width` occupies: up to the next multiple of 64 bytes.
///
/// Every writer fills the elements from `width` to here with zeros, and readers may rely on that:
/// kernels work on whole cache lines.
[[nodiscard]] constexpr std::int64_t act_padded(ActType type, std::int64_t width) noexcept {
  const std::int64_t line = 64 / act_size(type);
  return (width + line - 1) / line * line;
}

/// Rows of activations in a larger buffer. Row r starts `r * stride` elements behind `data`.
struct ConstAct {
  ActType type = ActType::kF32;
  const void* data = nullptr;    ///< 64-byte aligned rows where stride is act_padded
  std::int64_t stride = 0;       ///< elements, at least act_padded(type, width)
  const float* scale = nullptr;  ///< kI8: [rows]
};

struct MutableAct {
  ActType type = ActType::kF32;
  void* data = nullptr;
  std::int64_t stride = 0;
  float* scale = nullptr;  ///< kI8: [rows], written with the elements

  [[nodiscard]] operator ConstAct() const noexcept {  // NOLINT(google-explicit-constructor)
    return {type, data, stride, scale};
  }
};

}  // namespace conopa::kernels

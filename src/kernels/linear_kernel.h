#pragma once

// What the instruction-set files of linear and their driver share; no inline function of the
// standard library, for the reason given in matmul_kernel.h.

#include <cstdint>

#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {

/// What the four bytes of a packed word hold: neighbours in k of one column.
enum class WordKind : std::uint8_t {
  kF32,        ///< one float
  kBf16AsF32,  ///< one float rounded to bfloat16
  kBf16,       ///< two bfloat16
  kI16,        ///< two int8 widened to int16
  kU8,         ///< four int8 plus 128
  kI8          ///< four int8
};

[[nodiscard]] constexpr std::int64_t elements_per_word(WordKind kind) noexcept {
  switch (kind) {
    case WordKind::kBf16:
    case WordKind::kI16:
      return 2;
    case WordKind::kU8:
    case WordKind::kI8:
      return 4;
    default:
      return 1;
  }
}

/// The functions of one kernel.
struct LinearFunctions {
  void (*panel)(const PanelTask&) noexcept;
};

}  // namespace conopa::kernels::detail

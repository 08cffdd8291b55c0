#pragma once

// Blocks of Q8_0 and Q4_0, in the order of linear_pack.h, to words of one float. In an unnamed
// namespace for the reason given in matmul_tile.h.

#include "kernels/linear_kernel.h"

namespace conopa::kernels::detail {
namespace {

/// Loads has: V half(const std::byte*), V int8(const std::byte*), V low_nibble(const std::byte*),
/// V high_nibble(const std::byte*), each of V::kLanes columns; nibbles minus 8.
/// Convert rounds the value to what the kernel multiplies.
template <typename V, typename Loads, typename Convert>
void expand_float_blocks(const BlocksTask& task) noexcept {
  constexpr std::int64_t kPanel = 2 * V::kLanes;
  const std::byte* src = task.src;
  Word* dst = task.dst;
  for (std::int64_t b = 0; b < task.blocks; ++b) {
    const V scale[2] = {Loads::half(src), Loads::half(src + 2 * V::kLanes)};
    src += 2 * kPanel;
    if (task.four_bit) {
      for (std::int64_t k = 0; k < 32; k += 2, src += kPanel, dst += 2 * kPanel) {
        for (int v = 0; v < 2; ++v) {
          const std::byte* from = src + v * V::kLanes;
          Convert::apply(scale[v] * Loads::low_nibble(from)).store(dst + v * V::kLanes);
          Convert::apply(scale[v] * Loads::high_nibble(from)).store(dst + kPanel + v * V::kLanes);
        }
      }
    } else {
      for (std::int64_t k = 0; k < 32; ++k, src += kPanel, dst += kPanel) {
        for (int v = 0; v < 2; ++v) {
          const V value = Loads::int8(src + v * V::kLanes);
          Convert::apply(scale[v] * value).store(dst + v * V::kLanes);
        }
      }
    }
  }
}

struct KeepFloat {
  template <typename V>
  static V apply(V value) {
    return value;
  }
};

}  // namespace
}  // namespace conopa::kernels::detail

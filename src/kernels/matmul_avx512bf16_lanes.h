#pragma once

// Words of two bfloat16 as the AVX-512 BF16 files of matmul and linear multiply them. In an unnamed
// namespace for the reason given in matmul_tile.h.

#include "kernels/matmul_avx512_lanes.h"

namespace conopa::kernels::detail {
namespace {

struct Bf16Lanes : Avx512Lanes {
  using Operand = __m512bh;

  static Operand load(const Word* from) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_ps(from));
  }
  static Operand broadcast(const Word* from) {
    return reinterpret_cast<__m512bh>(_mm512_set1_ps(*from));
  }
  static Sum fma(Operand left, Operand right, Sum sum) {
    return _mm512_dpbf16_ps(sum, left, right);
  }
};

}  // namespace
}  // namespace conopa::kernels::detail

#pragma once

#include "kernels/simd/act_lanes_avx512.h"

namespace conopa::kernels::avx512bf16 {

/// The instruction's rounding; unlike the others it takes subnormal numbers for zero.
struct RoundByInstruction {
  static __m256i round(__m512 x) noexcept {
    return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
  }
};

using ActLanes = avx512::ActLanes<RoundByInstruction>;

}  // namespace conopa::kernels::avx512bf16

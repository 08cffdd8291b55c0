#include "kernels/simd/act_lanes_avx512.h"
#include "kernels/simd/attend.h"
#include "kernels/simd/attend_words.h"

namespace conopa::kernels::detail::avx512 {
namespace {

using Lanes = kernels::avx512::ActLanes<kernels::avx512::RoundByBits>;
using kernels::avx512::Vec;

// scalef rounds the exponent down and takes minus infinity to zero, so neither needs a step of its
// own.
Vec fraction(Vec x) noexcept {
  return {_mm512_reduce_ps(x.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}

struct F32Words : simd::FloatWords<Lanes, simd::FloatSource<Lanes>> {
  static Vec power(Vec x) noexcept {
    return Vec::scale_by_power(simd::power_of_fraction(fraction(x)), x);
  }
};

struct Bf16Words : simd::FloatWords<Lanes, simd::Bf16Source<Lanes>> {
  static Vec power(Vec x) noexcept {
    return Vec::scale_by_power(simd::rough_power_of_fraction(fraction(x)), x);
  }
};

}  // namespace

constinit const AttendFunctions kAttendF32 = simd::attend_functions<F32Words>();
constinit const AttendFunctions kAttendBf16 = simd::attend_functions<Bf16Words>();

}  // namespace conopa::kernels::detail::avx512

#include "kernels/simd/act_lanes_avx2.h"
#include "kernels/simd/attend.h"
#include "kernels/simd/attend_words.h"

namespace conopa::kernels::detail::avx2 {
namespace {

using Lanes = kernels::avx2::ActLanes;
using kernels::avx2::Vec;

// Below 2^-126 a weight is zero.
Vec whole_part(Vec x) noexcept { return {_mm256_floor_ps(x.v)}; }

struct F32Words : simd::FloatWords<Lanes, simd::FloatSource<Lanes>> {
  static Vec power(Vec x) noexcept {
    x = Vec::max(Vec::set(Vec::kLowestPower), x);
    const Vec n = whole_part(x);
    return Vec::scale_by_power(simd::power_of_fraction(x - n), n);
  }
};

struct Bf16Words : simd::FloatWords<Lanes, simd::Bf16Source<Lanes>> {
  static Vec power(Vec x) noexcept {
    x = Vec::max(Vec::set(Vec::kLowestPower), x);
    const Vec n = whole_part(x);
    return Vec::scale_by_power(simd::rough_power_of_fraction(x - n), n);
  }
};

}  // namespace

constinit const AttendFunctions kAttendF32 = simd::attend_functions<F32Words>();
constinit const AttendFunctions kAttendBf16 = simd::attend_functions<Bf16Words>();

}  // namespace conopa::kernels::detail::avx2

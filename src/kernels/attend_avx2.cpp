#include "kernels/simd/act_lanes_avx2.h"
#include "kernels/simd/attend.h"
#include "kernels/simd/attend_words.h"

namespace conopa::kernels::detail::avx2 {
namespace {

using Lanes = kernels::avx2::ActLanes;
using kernels::avx2::Vec;

template <typename Source>
struct Words : simd::FloatWords<Lanes, Source> {
  static Vec power(Vec x) noexcept { return simd::exp2(x); }
};

}  // namespace

constinit const AttendFunctions kAttendF32 =
    simd::attend_functions<Words<simd::FloatSource<Lanes>>>();
constinit const AttendFunctions kAttendBf16 =
    simd::attend_functions<Words<simd::Bf16Source<Lanes>>>();

}  // namespace conopa::kernels::detail::avx2

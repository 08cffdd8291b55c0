#include "kernels/simd/act_lanes_avx512bf16.h"
#include "kernels/simd/attend.h"
#include "kernels/simd/attend_words.h"

namespace conopa::kernels::detail::avx512bf16 {
namespace {

using Lanes = kernels::avx512bf16::ActLanes;
using kernels::avx512::Vec;
using simd::AllLanes;

// Pairs of bfloat16: the elements of a row as they lie, two keys of a column side by side.
struct Words {
  using V = Vec;
  using Element = std::uint16_t;
  static constexpr std::int64_t kPerWord = 2;
  static constexpr bool kInPlace = true;

  static Vec load(const std::uint16_t* p, AllLanes) noexcept { return {_mm512_loadu_ps(p)}; }
  static Vec load(const std::uint16_t* p, std::int64_t n) noexcept {
    const auto lanes = static_cast<__mmask32>((std::uint64_t{1} << n) - 1);  // n < 32
    return {_mm512_castsi512_ps(_mm512_maskz_loadu_epi16(lanes, p))};
  }
  template <typename N>
  static Vec values(const std::uint16_t* const (&keys)[2], std::int64_t d, N n) noexcept {
    const __m512i low = column_words(keys[0] + d, n);
    if (keys[1] == nullptr) return {_mm512_castsi512_ps(low)};
    const __m512i high = _mm512_slli_epi32(column_words(keys[1] + d, n), 16);
    return {_mm512_castsi512_ps(_mm512_or_si512(low, high))};
  }
  static Vec power(Vec x) noexcept {
    const Vec fraction{_mm512_reduce_ps(x.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
    return Vec::scale_by_power(simd::rough_power_of_fraction(fraction), x);
  }
  static void store(float* to, Vec a, Vec b) noexcept {
    _mm512_storeu_ps(to, reinterpret_cast<__m512>(_mm512_cvtne2ps_pbh(b.v, a.v)));
  }
  static void store_out(std::uint16_t* to, Vec v, AllLanes) noexcept { Lanes::store_bf16(to, v); }
  static void store_out(std::uint16_t* to, Vec v, std::int64_t n) noexcept {
    Lanes::store_bf16(to, v, n);
  }

 private:
  static __m512i column_words(const std::uint16_t* p, AllLanes) noexcept {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static __m512i column_words(const std::uint16_t* p, std::int64_t n) noexcept {
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(Vec::first(n).m, p));
  }
};

}  // namespace

constinit const AttendFunctions kAttendBf16 = simd::attend_functions<Words>();

}  // namespace conopa::kernels::detail::avx512bf16

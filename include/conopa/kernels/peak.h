#pragma once

#include <string_view>

#include "conopa/kernels/act_rows.h"
#include "conopa/kernels/isa.h"

namespace conopa::kernels {

/// A ceiling of matrix products, measured.
struct Peak {
  std::string_view loop;  ///< instruction of the loop, "avx512_bf16 vdpbf16ps"; empty: none
  double gops = 0.0;      ///< 1e9 operations per second, an addition and a product being two
};

/// Measures what the multiply-add instructions of a level can do at this moment: independent
/// chains in registers, without memory traffic, on num_threads() threads at once. Every thread's
/// best repetition counts, so that other load on the machine matters little.
///
/// @param isa   at most detected_isa(); kReference has no such instruction and gives 0.
/// @param type  operands of the product; types that the level cannot multiply are measured by what
///              its kernels use instead (bf16 below avx512_bf16: fp32).
/// @param seconds  to measure; at least a few repetitions of half a millisecond are made.
/// @throws UnsupportedError if `isa` is above detected_isa().
[[nodiscard]] Peak measure_peak(Isa isa, ActType type, double seconds = 0.1);

}  // namespace conopa::kernels

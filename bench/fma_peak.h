#pragma once

#include "conopa/kernels/matmul.h"

namespace conopa::bench {

/// GFLOP/s of independent multiply-adds in registers on num_threads() threads, best of several
/// tries: the ceiling of a matrix product at this moment. kBf16 counts vdpbf16ps where `isa` has
/// it, else float32. 0 for the reference level.
[[nodiscard]] double fma_peak_gflops(kernels::Isa isa, kernels::Compute compute);

}  // namespace conopa::bench

#pragma once

#include "conopa/kernels/act_rows.h"
#include "conopa/kernels/matmul.h"

namespace conopa::bench {

/// GFLOP/s of independent multiply-adds in registers on num_threads() threads, best of several
/// tries: the ceiling of a matrix product at this moment. kBf16 counts vdpbf16ps where `isa` has
/// it, else float32. 0 for the reference level.
[[nodiscard]] double fma_peak_gflops(kernels::Isa isa, kernels::Compute compute);

/// The same for the inference kernels: kBf16 counts AMX tiles or vdpbf16ps, kI8 AMX tiles, vpdpbusd
/// or vpmaddwd with its addition, whatever is best at `isa`.
[[nodiscard]] double act_peak_gflops(kernels::Isa isa, kernels::ActType type);

}  // namespace conopa::bench

#pragma once

#include <cstdint>
#include <vector>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/host_tensor.h"

namespace conopa::arch {

/// Initial values of one tensor by its Init rule, float32. The random stream depends on (seed,
/// name) only, so that a tensor keeps its values when others join the table.
[[nodiscard]] HostTensor initial_tensor(const TensorEntry& entry, std::uint64_t seed);

/// Fixed positions of a grid, rows·cols rows of `width` values, row by row: for each axis sines,
/// then cosines, of the place times 10000^(−i/(width/4)).
/// @param width  a multiple of 4.
[[nodiscard]] std::vector<float> sincos_table(std::int64_t rows, std::int64_t cols,
                                              std::int64_t width, SinCosOrder order);

}  // namespace conopa::arch

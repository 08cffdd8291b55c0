#pragma once

#include <cstdint>
#include <span>

#include "kernels/act_ops_table.h"

namespace conopa::kernels::reference {

/// Element `i` of row `row`. kI8 gives scale * element.
[[nodiscard]] float decode(const ConstAct& rows, std::int64_t row, std::int64_t i);

/// Writes `values` and the zeros behind them as row `row`.
void encode_row(std::span<const float> values, const MutableAct& to, std::int64_t row);

void norm_rows(const NormRows& args, std::int64_t begin, std::int64_t end);
void convert_rows(const ConvertRows& args, std::int64_t begin, std::int64_t end);
void patch_rows(const PatchRows& args, std::int64_t begin, std::int64_t end, float* scratch);
void map_patches(const MapPatches& args, std::int64_t begin, std::int64_t end, float* scratch);
void depthwise_rows(const DepthwiseRows& args, std::int64_t begin, std::int64_t end);

}  // namespace conopa::kernels::reference

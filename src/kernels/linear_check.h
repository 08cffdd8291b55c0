#pragma once

#include "conopa/kernels/linear.h"

namespace conopa::kernels::detail {

/// @throws as PackedWeight::pack.
void check_weight_pack(const WeightPack& args, Isa isa);

/// @throws as linear.
void check_linear(const LinearArgs& args);

}  // namespace conopa::kernels::detail

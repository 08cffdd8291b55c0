#pragma once

#include <vector>

#include "conopa/arch/tensor_table.h"

namespace conopa::arch {

/// Appends every tensor of a resolved spec in table order.
void build_table(const EncoderSpec& spec, std::vector<TensorEntry>& out);

}  // namespace conopa::arch

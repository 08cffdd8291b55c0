#pragma once

#include <cstdint>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/host_tensor.h"

namespace conopa::arch {

/// Initial values of one tensor by its Init rule, float32. The random stream depends on (seed,
/// name) only, so that a tensor keeps its values when others join the table.
[[nodiscard]] HostTensor initial_tensor(const TensorEntry& entry, std::uint64_t seed);

}  // namespace conopa::arch

#pragma once

#include <cstdint>
#include <string_view>

#include "conopa/core/host_tensor.h"

namespace conopa::app {

/// The element type that `--dtype` names: "f32", "f16" or "bf16".
[[nodiscard]] DType dtype_option(std::string_view word);

/// Whether cast_floats would touch the type.
[[nodiscard]] bool is_floating(DType dtype);

/// Converts a floating-point tensor to f32, f16 or bf16; others, and those that have the type
/// already, are returned as they are.
/// @param name  of the tensor, for messages.
/// @throws FormatError if a finite value becomes infinite.
[[nodiscard]] HostTensor cast_floats(const HostTensor& tensor, DType dtype, std::string_view name);

/// How many elements of a floating-point tensor are NaN or infinite; 0 for other tensors.
[[nodiscard]] std::int64_t count_nonfinite(const HostTensor& tensor);

}  // namespace conopa::app

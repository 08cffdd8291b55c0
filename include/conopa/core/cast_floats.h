#pragma once

#include <cstdint>
#include <string_view>

#include "conopa/core/host_tensor.h"

namespace conopa {

/// Whether the type is one of F64, F32, F16 and BF16, those that cast_floats converts.
[[nodiscard]] bool is_floating(DType dtype) noexcept;

/// Converts a floating-point tensor to f32, f16 or bf16; others, and those that have the type
/// already, are returned as they are.
/// @param name  of the tensor, for messages.
/// @throws FormatError if a finite value becomes infinite.
[[nodiscard]] HostTensor cast_floats(const HostTensor& tensor, DType dtype, std::string_view name);

/// How many elements of a floating-point tensor are NaN or infinite; 0 for other tensors.
[[nodiscard]] std::int64_t count_nonfinite(const HostTensor& tensor);

}  // namespace conopa

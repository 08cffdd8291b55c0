#pragma once

#include <ATen/core/Tensor.h>

#include "conopa/core/host_tensor.h"

namespace conopa::nn {

/// ATen's name of a host dtype.
[[nodiscard]] at::ScalarType scalar_type(DType dtype);

/// Copies a host tensor into a fresh CPU tensor of the same dtype (or of `dtype`).
[[nodiscard]] at::Tensor to_torch(const HostTensor& tensor);
[[nodiscard]] at::Tensor to_torch(const HostTensor& tensor, at::ScalarType dtype);

/// A CPU tensor that shares the bytes of `tensor` (kept alive by it); must not be written.
[[nodiscard]] at::Tensor view_as_torch(const HostTensor& tensor);

/// Copies a tensor of any device and layout to host memory.
/// @throws UnsupportedError for a dtype that files of the project do not hold.
[[nodiscard]] HostTensor to_host(const at::Tensor& tensor);

/// The elements of a contiguous float32 CPU tensor.
[[nodiscard]] std::span<float> floats(const at::Tensor& tensor);

}  // namespace conopa::nn

#pragma once

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/host_tensor.h"
#include "conopa/io/tensor_source.h"

namespace conopa::onnx::testing {

/// What an executor of the project makes of images or tokens.
struct Expected {
  HostTensor features;  ///< [B, D]
  HostTensor logits;    ///< [B, classes or projection]; empty without either
};

// The seam between the cases and the executor that vouches for them; which one is linked decides.

/// Whether the executor runs models of this kind.
[[nodiscard]] bool reference_runs(const arch::EncoderSpec& spec);

[[nodiscard]] Expected expected_outputs(const arch::EncoderSpec& spec, const TensorSource& weights,
                                        const HostTensor& input);

}  // namespace conopa::onnx::testing

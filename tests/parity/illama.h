#pragma once

#include <ATen/core/Tensor.h>

#include "case.h"
#include "conopa/arch/encoder_spec.h"
#include "conopa/nn/encoder.h"

namespace conopa::parity {

/// Spec of the official constructor's arguments; resolved.
[[nodiscard]] arch::EncoderSpec illama_spec(const nlohmann::json& args);

/// Encoder with the case's weights.pth under official names.
[[nodiscard]] nn::Encoder load_encoder(const Case& c, const arch::EncoderSpec& spec);

/// An input or expected tensor as float32 on the CPU.
[[nodiscard]] at::Tensor tensor(const Case& c, const std::string& name);

/// Elements of any tensor as float32.
[[nodiscard]] std::vector<float> values(const at::Tensor& tensor);

/// Both implementations of every operation.
struct OpsVariant {
  nn::Ops ops;
  std::string_view name;
};
inline constexpr OpsVariant kOpsVariants[] = {{nn::Ops::kStock, "stock"},
                                              {nn::Ops::kFused, "fused"}};

}  // namespace conopa::parity

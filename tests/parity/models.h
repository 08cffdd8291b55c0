#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>

#include "case.h"
#include "conopa/arch/encoder_spec.h"
#include "conopa/nn/encoder.h"

namespace conopa::parity {

/// Spec of the official iLLaMA constructor's arguments; resolved.
[[nodiscard]] arch::EncoderSpec illama_spec(const nlohmann::json& args);

/// Sets height and width from an official img_size, a number or a pair.
void set_image_size(arch::EncoderSpec& spec, const nlohmann::json& size);

/// Fills parameters from the case's weights.pth, whose names follow `scheme`.
/// @param edit  changes a tensor on its way, if given.
using EditTensor = std::function<HostTensor(const std::string& name, HostTensor value)>;
void load_weights(const Case& c, nn::Parameters& parameters, std::string_view scheme,
                  const EditTensor& edit = {});

/// The same for a case that describes a part of the model; the others keep their values.
/// @throws FormatError if the file holds none of the model's tensors.
void load_present_weights(const Case& c, nn::Parameters& parameters, std::string_view scheme);

/// Encoder with the case's weights.
[[nodiscard]] nn::Encoder load_encoder(const Case& c, const arch::EncoderSpec& spec,
                                       std::string_view scheme = "official");

/// Compares parameters, or their gradients, with the expected tensors prefix + foreign name.
/// Slices of one foreign tensor are joined.
void compare_parameters(const Case& c, Outcome& out, const nn::Parameters& parameters,
                        std::string_view scheme, const std::string& prefix, bool gradients,
                        std::string_view variant);

/// An input or expected tensor as float32 on the CPU.
[[nodiscard]] at::Tensor tensor(const Case& c, const std::string& name);

/// Elements of any tensor as float32.
[[nodiscard]] std::vector<float> values(const at::Tensor& tensor);

/// Runs the native engine in float32 on an encoder's weights and compares its logits, with the
/// exact shortcuts and without.
void compare_native(const Case& c, Outcome& out, const nn::Encoder& encoder,
                    const at::Tensor& image, const std::string& logits = "logits",
                    std::optional<double> mask_rate = {});

/// Both implementations of every operation.
struct OpsVariant {
  nn::Ops ops;
  std::string_view name;
};
inline constexpr OpsVariant kOpsVariants[] = {{nn::Ops::kStock, "stock"},
                                              {nn::Ops::kFused, "fused"}};

}  // namespace conopa::parity

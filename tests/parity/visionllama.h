#pragma once

#include <nlohmann/json.hpp>

#include "conopa/arch/encoder_spec.h"

namespace conopa::parity {

// Resolved specs of the official constructors, from their arguments.
[[nodiscard]] arch::EncoderSpec visionllama_spec(const nlohmann::json& args);
[[nodiscard]] arch::EncoderSpec visionllama_line_spec(const nlohmann::json& args);
[[nodiscard]] arch::EncoderSpec visionllama_pyramid_spec(const nlohmann::json& args,
                                                         std::int64_t height, std::int64_t width);
[[nodiscard]] arch::EncoderSpec mae_spec(const nlohmann::json& args);
[[nodiscard]] arch::EncoderSpec mmpretrain_classifier_spec(const nlohmann::json& args);

}  // namespace conopa::parity

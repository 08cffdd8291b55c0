#pragma once

#include <string>
#include <string_view>

#include "conopa/engine/model.h"

namespace conopa::app {

/// The word for the last layer, behind the last norm.
inline constexpr std::string_view kFinalLayer = "final";

/// Help text of options that find_layer reads.
inline constexpr const char* kLayerHelp =
    "number of a block from 0, a name (tokens_in, block3_out, stage1_block0_out), or final: behind "
    "the last norm";

/// The layer that a word of --layer means.
/// @throws ConfigError that lists the model's layers.
[[nodiscard]] engine::LayerInfo find_layer(const engine::Model& model, const std::string& word);

}  // namespace conopa::app

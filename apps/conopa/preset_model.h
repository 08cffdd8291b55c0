#pragma once

#include <string>

#include "model_store.h"

namespace conopa::app {

/// A stored model, or the model of a preset with random weights: for commands that measure how a
/// model runs and not what it knows.
/// @throws as open_model if there is such a path, else ConfigError naming the nearest preset.
[[nodiscard]] StoredModel open_model_or_preset(const std::string& target);

}  // namespace conopa::app

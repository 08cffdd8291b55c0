#pragma once

#include <string>

#include "conopa/train/options.h"

namespace conopa::train {

/// What documents call the model: its preset, else its family.
[[nodiscard]] inline std::string model_name(const RunConfig& config) {
  return config.model.preset.empty() ? config.model.spec.family : config.model.preset;
}

}  // namespace conopa::train

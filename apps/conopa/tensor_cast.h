#pragma once

#include <string_view>

#include "conopa/core/cast_floats.h"

namespace conopa::app {

using conopa::cast_floats;
using conopa::count_nonfinite;
using conopa::is_floating;

/// The element type that `--dtype` names: "f32", "f16" or "bf16".
[[nodiscard]] DType dtype_option(std::string_view word);

}  // namespace conopa::app

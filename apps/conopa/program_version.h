#pragma once

#include <string>

namespace conopa::app {

/// "conopa 0.1.0 (commit abc, GNU 12.2.0, isa avx512_bf16, libtorch 1.13.0)".
[[nodiscard]] std::string version_text();

}  // namespace conopa::app

#pragma once

#include <cstdint>

namespace conopa::engine {

/// Calls of operator new in this program so far, on all threads.
[[nodiscard]] std::int64_t allocation_count() noexcept;

}  // namespace conopa::engine

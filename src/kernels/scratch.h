#pragma once

#include <cstdint>

namespace conopa::kernels {

/// Which of a thread's two scratch buffers: one for what a parallel region shares, one for what
/// each of its threads needs (the calling thread is one of them).
enum class ScratchSlot { kShared, kLocal };

/// A 64-byte aligned buffer of this thread with room for `floats` floats, contents undefined. It
/// grows on demand, lives as long as the thread, and is handed out again by the next call with the
/// same slot. Reuse saves the page faults of fresh memory in every small operation.
/// @throws std::bad_alloc
[[nodiscard]] float* thread_scratch(ScratchSlot slot, std::int64_t floats);

}  // namespace conopa::kernels

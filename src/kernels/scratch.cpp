#include "kernels/scratch.h"

#include <array>
#include <cstdlib>
#include <memory>
#include <new>

namespace conopa::kernels {

namespace {

struct Free {
  void operator()(float* p) const noexcept { std::free(p); }
};

struct Buffer {
  std::unique_ptr<float, Free> data;
  std::int64_t floats = 0;
};

}  // namespace

float* thread_scratch(ScratchSlot slot, std::int64_t floats) {
  constexpr std::int64_t kStep = 4096;  // floats; also keeps the size a multiple of the alignment
  thread_local std::array<Buffer, 2> buffers;
  Buffer& buffer = buffers[slot == ScratchSlot::kShared ? 0 : 1];
  if (buffer.floats < floats || buffer.data == nullptr) {
    const std::int64_t rounded = (floats / kStep + 1) * kStep;
    buffer.data.reset();
    buffer.floats = 0;
    buffer.data.reset(static_cast<float*>(
        std::aligned_alloc(64, static_cast<std::size_t>(rounded) * sizeof(float))));
    if (buffer.data == nullptr) throw std::bad_alloc();
    buffer.floats = rounded;
  }
  return buffer.data.get();
}

}  // namespace conopa::kernels

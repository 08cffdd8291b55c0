#include "data/buffer_pool.h"

#include <new>
#include <utility>

namespace conopa::data {
namespace {
constexpr std::align_val_t kAlignment{64};
}

void BufferPool::AlignedDelete::operator()(float* memory) const noexcept {
  ::operator delete(memory, kAlignment);
}

std::shared_ptr<BufferPool> BufferPool::create(std::size_t floats, std::size_t keep) {
  return std::shared_ptr<BufferPool>(new BufferPool(floats, keep));  // the constructor is private
}

std::shared_ptr<float> BufferPool::take() {
  Buffer buffer;
  {
    const std::scoped_lock lock(mutex_);
    if (!free_.empty()) {
      buffer = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (!buffer) {
    buffer.reset(static_cast<float*>(::operator new(floats_ * sizeof(float), kAlignment)));
  }
  return {buffer.release(), [pool = weak_from_this()](float* memory) {
            Buffer returned(memory);
            if (const auto alive = pool.lock()) alive->give_back(std::move(returned));
          }};
}

std::size_t BufferPool::idle() const {
  const std::scoped_lock lock(mutex_);
  return free_.size();
}

void BufferPool::give_back(Buffer buffer) noexcept {
  const std::scoped_lock lock(mutex_);
  if (free_.size() < keep_) free_.push_back(std::move(buffer));  // reserved: cannot throw
}

}  // namespace conopa::data

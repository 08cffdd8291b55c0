#include "kernels/matmul_workspace.h"

#include <new>

namespace conopa::kernels::detail {
namespace {
constexpr std::align_val_t kAlignment{64};
}

void WordBuffer::Free::operator()(std::byte* bytes) const noexcept {
  ::operator delete(bytes, kAlignment);
}

Word* WordBuffer::reserve(std::int64_t words) {
  if (words > capacity_) {
    data_.reset();
    capacity_ = 0;
    const auto bytes = static_cast<std::size_t>(words) * sizeof(Word);
    data_.reset(static_cast<std::byte*>(::operator new(bytes, kAlignment)));
    capacity_ = words;
  }
  return reinterpret_cast<Word*>(data_.get());
}

MatmulScratch& matmul_scratch() {
  thread_local MatmulScratch scratch;
  return scratch;
}

}  // namespace conopa::kernels::detail

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {

/// Memory of words aligned to 64 bytes that only grows.
class WordBuffer {
 public:
  /// At least `words` words, uninitialised; earlier contents are lost when it has to grow.
  Word* reserve(std::int64_t words);
  [[nodiscard]] const Word* data() const noexcept {
    return reinterpret_cast<const Word*>(data_.get());
  }
  [[nodiscard]] std::int64_t capacity() const noexcept { return capacity_; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const noexcept;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::int64_t capacity_ = 0;
};

/// Scratch of one thread, kept from call to call.
struct MatmulScratch {
  WordBuffer shared_b;  ///< the whole right operand, packed by all threads of a call
  WordBuffer block_a;   ///< block of the left operand that this thread packs for itself
  WordBuffer block_b;   ///< block of the right operand, likewise
  WordBuffer partial;   ///< sums over parts of k, joined at the end
};

/// The scratch of the calling thread.
[[nodiscard]] MatmulScratch& matmul_scratch();

}  // namespace conopa::kernels::detail

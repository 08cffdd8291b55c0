#pragma once

#include <algorithm>
#include <cstdint>

namespace conopa::eval {

/// Picks `wanted` of `size` samples that pass by one after the other, evenly spread.
class EvenSpread {
 public:
  EvenSpread(std::int64_t wanted, std::int64_t size)
      : wanted_(wanted), stride_(std::max<std::int64_t>(1, wanted > 0 ? size / wanted : 1)) {}

  /// Whether the next sample is one of them.
  [[nodiscard]] bool takes_next() noexcept {
    const bool take = taken_ < wanted_ && seen_++ % stride_ == 0;
    if (take) ++taken_;
    return take;
  }

 private:
  std::int64_t wanted_;
  std::int64_t stride_;
  std::int64_t seen_ = 0;
  std::int64_t taken_ = 0;
};

}  // namespace conopa::eval

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "conopa/kernels/act_rows.h"

namespace conopa::engine {

/// Memory on cache-line boundaries, zero at first, that rows of any activation type live in.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::int64_t bytes)
      : data_(bytes == 0 ? nullptr
                         : static_cast<std::byte*>(
                               ::operator new(static_cast<std::size_t>(bytes), kLine))),
        bytes_(bytes) {
    std::fill_n(data_.get(), bytes, std::byte{});
  }

  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] float* floats() const noexcept { return reinterpret_cast<float*>(data_.get()); }

  /// Rows of `width` elements from byte `offset` on, packed to whole cache lines.
  [[nodiscard]] kernels::MutableAct rows(kernels::ActType type, std::int64_t width,
                                         std::int64_t offset = 0,
                                         float* scale = nullptr) const noexcept {
    return {type, data_.get() + offset, kernels::act_padded(type, width), scale};
  }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(std::byte* data) const noexcept { ::operator delete(data, kLine); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::int64_t bytes_ = 0;
};

/// Row `row` of activations.
[[nodiscard]] inline void* row_of(const kernels::MutableAct& act, std::int64_t row) noexcept {
  return static_cast<std::byte*>(act.data) + row * act.stride * kernels::act_size(act.type);
}

/// Activations from row `row` on.
[[nodiscard]] inline kernels::MutableAct rows_from(kernels::MutableAct act,
                                                   std::int64_t row) noexcept {
  act.data = row_of(act, row);
  if (act.scale != nullptr) act.scale += row;
  return act;
}

/// Columns from `column` on.
[[nodiscard]] inline kernels::MutableAct columns_from(kernels::MutableAct act,
                                                      std::int64_t column) noexcept {
  act.data = static_cast<std::byte*>(act.data) + column * kernels::act_size(act.type);
  return act;
}

}  // namespace conopa::engine

#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "conopa/kernels/act_rows.h"
#include "kernels/reference/act_ops.h"

namespace conopa::kernels {

inline void PrintTo(ActType type, std::ostream* out) {
  *out << (type == ActType::kF32 ? "f32" : type == ActType::kBf16 ? "bf16" : "i8");
}

}  // namespace conopa::kernels

namespace conopa::kernels::testing_support {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr ActType kActTypes[] = {ActType::kF32, ActType::kBf16, ActType::kI8};
inline constexpr ActType kFloatTypes[] = {ActType::kF32, ActType::kBf16};

/// Rows of activations in a buffer of their own. Every byte starts as 0xFF, which is NaN in both
/// floating types, so that whoever reads what nobody wrote shows it.
class ActBuffer {
 public:
  /// `extra` elements lie between the padded rows.
  ActBuffer(ActType type, std::int64_t rows, std::int64_t width, std::int64_t extra = 0)
      : type_(type),
        rows_(rows),
        width_(width),
        stride_(act_padded(type, width) + extra),
        bytes_(static_cast<std::size_t>(rows * stride_ * act_size(type)), 0xFF),
        scale_(static_cast<std::size_t>(rows), kNan) {}

  ActBuffer(ActType type, std::int64_t rows, std::int64_t width, std::span<const float> values)
      : ActBuffer(type, rows, width) {
    for (std::int64_t r = 0; r < rows; ++r) {
      reference::encode_row(
          values.subspan(static_cast<std::size_t>(r * width), static_cast<std::size_t>(width)),
          view(), r);
    }
  }

  [[nodiscard]] MutableAct view() { return {type_, bytes_.data(), stride_, scale_.data()}; }
  /// The rows from column `first` on.
  [[nodiscard]] MutableAct columns_from(std::int64_t first) {
    return {type_, bytes_.data() + first * act_size(type_), stride_, scale_.data()};
  }
  [[nodiscard]] ConstAct view() const { return {type_, bytes_.data(), stride_, scale_.data()}; }
  [[nodiscard]] std::int64_t stride() const { return stride_; }
  [[nodiscard]] float at(std::int64_t row, std::int64_t i) const {
    return reference::decode(view(), row, i);
  }
  [[nodiscard]] const std::vector<float>& scale() const { return scale_; }
  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

  /// Every element, row by row, without the padding.
  [[nodiscard]] std::vector<float> values() const {
    std::vector<float> all;
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t i = 0; i < width_; ++i) all.push_back(at(r, i));
    }
    return all;
  }

  /// The padding is zero and what lies behind it untouched.
  [[nodiscard]] bool keeps_contract() const {
    const std::int64_t size = act_size(type_);
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t i = width_ * size; i < stride_ * size; ++i) {
        const bool padding = i < act_padded(type_, width_) * size;
        if (bytes_[static_cast<std::size_t>(r * stride_ * size + i)] != (padding ? 0 : 0xFF)) {
          return false;
        }
      }
    }
    return true;
  }

 private:
  ActType type_;
  std::int64_t rows_, width_, stride_;
  std::vector<std::uint8_t> bytes_;
  std::vector<float> scale_;
};

}  // namespace conopa::kernels::testing_support

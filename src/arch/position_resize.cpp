#include "conopa/arch/position_resize.h"

#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/core/interpolate.h"

namespace conopa::arch {

HostTensor resize_position(const EncoderSpec& from, const EncoderSpec& to,
                           const HostTensor& position) {
  const std::int64_t D = from.dim;
  const Shape expected{1, from.num_tokens(), D};
  if (position.shape() != expected) {
    throw ShapeError("resize", "expected a position embedding of {}, found {}", to_string(expected),
                     to_string(position.shape()));
  }
  if (to.dim != D || to.class_token != from.class_token) {
    throw ShapeError("resize", "both models need the same dim and class token, got dim {} and {}",
                     D, to.dim);
  }
  if (from.grid_rows() == to.grid_rows() && from.grid_cols() == to.grid_cols()) return position;

  const std::vector<float> values = position.to_f32();
  const auto width = static_cast<std::size_t>(D);
  const std::size_t front = from.class_token == ClassToken::kFront ? width : 0;
  const auto patches = std::span<const float>(values).subspan(
      front, static_cast<std::size_t>(from.num_patches()) * width);
  const std::vector<float> resized = resize_grid_bicubic(
      patches, from.grid_rows(), from.grid_cols(), D, to.grid_rows(), to.grid_cols());

  HostTensor out = HostTensor::zeros(DType::kF32, {1, to.num_tokens(), D});
  const std::span<float> target = out.mutable_data<float>();
  std::copy(resized.begin(), resized.end(), target.begin() + static_cast<std::ptrdiff_t>(front));
  if (from.has_class_token()) {
    const auto source =
        values.begin() +
        static_cast<std::ptrdiff_t>(static_cast<std::size_t>(from.class_token_index()) * width);
    std::copy(source, source + D, target.begin() + to.class_token_index() * D);
  }
  return out;
}

}  // namespace conopa::arch

#include "conopa/arch/position_resize.h"

#include <algorithm>

#include "conopa/arch/init.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/core/interpolate.h"

namespace conopa::arch {
namespace {

bool is_additive(const EncoderSpec& spec) {
  return spec.position == Position::kLearned || spec.position == Position::kSinCos;
}

// Index of the stage whose embedding it is, or −1.
std::int64_t stage_of(const EncoderSpec& spec, std::string_view name) {
  if (!is_additive(spec)) return -1;
  for (const Stage& stage : spec.stages()) {
    if (names::position(spec, stage.index) == name) return stage.index;
  }
  return -1;
}

}  // namespace

bool is_position(const EncoderSpec& spec, std::string_view name) {
  return stage_of(spec, name) >= 0;
}

bool positions_fit(const EncoderSpec& from, const EncoderSpec& to) {
  return is_additive(from) && from.position == to.position && from.dim == to.dim &&
         from.stage_dims == to.stage_dims && from.class_token == to.class_token &&
         from.position_spare_row == to.position_spare_row &&
         from.position_class_row == to.position_class_row;
}

HostTensor resize_position(const EncoderSpec& from, const EncoderSpec& to, std::string_view name,
                           const HostTensor& position) {
  const std::int64_t index = stage_of(from, name);
  if (index < 0 || !positions_fit(from, to)) {
    throw ShapeError("resize",
                     "both models need the same positions, dim and class token, got dim "
                     "{} and {}",
                     from.dim, to.dim);
  }
  const Stage old_stage = from.stages()[static_cast<std::size_t>(index)];
  const Stage new_stage = to.stages()[static_cast<std::size_t>(index)];
  const std::int64_t D = old_stage.dim;
  const TensorTable table(to);
  const TensorEntry& entry = *table.find(name);
  const std::int64_t extra = entry.shape[1] - new_stage.tokens();  // class or spare row
  const Shape expected{1, old_stage.tokens() + extra, D};
  if (position.shape() != expected) {
    throw ShapeError("resize", "expected a position embedding of {}, found {}", to_string(expected),
                     to_string(position.shape()));
  }
  if (old_stage.rows == new_stage.rows && old_stage.cols == new_stage.cols) return position;
  if (from.position == Position::kSinCos) return initial_tensor(entry, 0);

  const std::vector<float> values = position.to_f32();
  const auto width = static_cast<std::size_t>(D);
  const auto front = static_cast<std::size_t>(from.position_front_rows()) * width;
  const auto patches = std::span<const float>(values).subspan(
      front, static_cast<std::size_t>(old_stage.tokens()) * width);
  const std::vector<float> resized = resize_grid_bicubic(patches, old_stage.rows, old_stage.cols, D,
                                                         new_stage.rows, new_stage.cols);

  HostTensor out = HostTensor::zeros(DType::kF32, entry.shape);
  const std::span<float> target = out.mutable_data<float>();
  std::copy(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(front), target.begin());
  std::copy(resized.begin(), resized.end(), target.begin() + static_cast<std::ptrdiff_t>(front));
  const std::size_t behind = front + patches.size();
  std::copy(values.begin() + static_cast<std::ptrdiff_t>(behind), values.end(),
            target.begin() + static_cast<std::ptrdiff_t>(front + resized.size()));
  return out;
}

}  // namespace conopa::arch

#include <cmath>

#include "arch/families/families.h"

namespace conopa::arch {

const Shape* shape_of(const TensorIndex& tensors, std::string_view name) {
  const auto it = tensors.find(name);
  return it == tensors.end() ? nullptr : &it->second;
}

std::optional<PlainShapes> plain_shapes(const TensorIndex& tensors) {
  const Shape* patch = shape_of(tensors, names::kPatchWeight);
  if (patch == nullptr || patch->size() != 4 || (*patch)[2] != (*patch)[3]) return std::nullopt;
  std::int64_t depth = 0;
  while (tensors.contains(names::block(depth, names::kQkv) + ".weight")) ++depth;
  if (depth == 0) return std::nullopt;
  return PlainShapes{
      .dim = (*patch)[0], .depth = depth, .channels = (*patch)[1], .patch = (*patch)[2]};
}

void set_square_grid(EncoderSpec& spec, std::int64_t length, std::int64_t extra) {
  const std::int64_t patches = length - extra;
  const auto side = static_cast<std::int64_t>(
      std::lround(std::sqrt(static_cast<double>(std::max<std::int64_t>(patches, 0)))));
  if (patches < 1 || side * side != patches) {
    throw FormatError("import",
                      "expected a square grid of patches, found a position embedding for {} "
                      "patches; give height and width",
                      patches);
  }
  spec.height = spec.width = side * spec.patch;
}

}  // namespace conopa::arch

#include <array>
#include <cmath>

#include "arch/families/families.h"
#include "conopa/core/error.h"

namespace conopa::arch {
namespace {

constexpr std::int64_t kHeadDim = 64;

struct Size {
  std::string_view word;
  std::int64_t dim, depth, heads;
};
constexpr std::array<Size, 4> kSizes{
    {{"tiny", 192, 12, 3}, {"small", 384, 12, 6}, {"base", 768, 12, 12}, {"large", 1024, 24, 16}}};

void set_square_grid(EncoderSpec& spec, std::int64_t length) {
  const std::int64_t patches = length - (spec.has_class_token() ? 1 : 0);
  std::optional<std::int64_t> side = square_side(patches);
  if (!side && spec.has_class_token()) {
    side = square_side(length);
    spec.position_class_row = !side.has_value();
  }
  if (!side) {
    throw FormatError("import",
                      "expected a square grid of patches, found a position embedding for {} "
                      "patches; give height and width",
                      patches);
  }
  spec.height = spec.width = *side * spec.patch;
}

}  // namespace

void set_standard_size(EncoderSpec& spec, std::string_view preset) {
  for (const Size& size : kSizes) {
    if (preset.find(size.word) == std::string_view::npos) continue;
    spec.dim = size.dim;
    spec.depth = size.depth;
    spec.heads = size.heads;
  }
}

std::optional<std::int64_t> square_side(std::int64_t count) {
  if (count < 1) return std::nullopt;
  const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(count))));
  if (side * side != count) return std::nullopt;
  return side;
}

const Shape* shape_of(const TensorIndex& tensors, std::string_view name) {
  const auto it = tensors.find(name);
  return it == tensors.end() ? nullptr : &it->second;
}

bool read_plain_shapes(EncoderSpec& spec, const TensorIndex& tensors, const Shape* hidden) {
  const Shape* patch = shape_of(tensors, names::kPatchWeight);
  const Shape* position = shape_of(tensors, names::kPosition);
  if (patch == nullptr || patch->size() != 4 || (*patch)[2] != (*patch)[3] || hidden == nullptr ||
      hidden->size() != 2 || position == nullptr || position->size() != 3) {
    return false;
  }
  if (tensors.contains(kPatchNormWeight)) return false;
  std::int64_t depth = 0;
  while (tensors.contains(names::block(depth, names::kQkv) + ".weight")) ++depth;
  if (depth == 0) return false;
  spec.dim = (*patch)[0];
  spec.channels = (*patch)[1];
  spec.patch = (*patch)[2];
  spec.depth = depth;
  spec.heads = spec.dim % kHeadDim == 0 ? spec.dim / kHeadDim : 1;
  spec.mlp_hidden = (*hidden)[0];
  const Shape* head = shape_of(tensors, std::string(names::kHead) + ".weight");
  spec.num_classes = head != nullptr && head->size() == 2 ? (*head)[0] : 0;
  set_square_grid(spec, (*position)[1]);
  return true;
}

}  // namespace conopa::arch

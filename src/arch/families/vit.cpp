// The plain Vision Transformer, baseline of every comparison (arXiv 2010.11929, DeiT sizes).

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

struct Size {
  std::string_view word;
  std::int64_t dim, depth, heads;
};
constexpr std::array<Size, 4> kSizes{
    {{"tiny", 192, 12, 3}, {"small", 384, 12, 6}, {"base", 768, 12, 12}, {"large", 1024, 24, 16}}};
constexpr std::int64_t kHeadDim = 64;

EncoderSpec make(std::string_view preset) {
  EncoderSpec spec;
  spec.family = "vit";
  spec.class_token = ClassToken::kFront;
  spec.rotary = Rotary::kNone;
  spec.mask = Mask::kBidirectional;
  spec.norm = Norm::kLayer;
  spec.mlp = Mlp::kGelu;
  spec.mlp_multiple_of = 1;
  spec.mlp_bias = true;
  for (const Size& size : kSizes) {
    if (preset.find(size.word) == std::string_view::npos) continue;
    spec.dim = size.dim;
    spec.depth = size.depth;
    spec.heads = size.heads;
  }
  return spec;
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const std::optional<PlainShapes> plain = plain_shapes(tensors);
  const Shape* position = shape_of(tensors, names::kPosition);
  const Shape* up = shape_of(tensors, "blocks.0.mlp.fc1.weight");
  if (up == nullptr) up = shape_of(tensors, names::block(0, names::kUp) + ".weight");
  if (!plain || up == nullptr || up->size() != 2 || position == nullptr || position->size() != 3 ||
      !tensors.contains("norm.bias")) {
    return std::nullopt;
  }
  EncoderSpec spec = make("");
  spec.dim = plain->dim;
  spec.depth = plain->depth;
  spec.channels = plain->channels;
  spec.patch = plain->patch;
  spec.heads = spec.dim % kHeadDim == 0 ? spec.dim / kHeadDim : 1;
  spec.mlp_hidden = (*up)[0];
  const Shape* head = shape_of(tensors, "head.weight");
  spec.num_classes = head != nullptr && head->size() == 2 ? (*head)[0] : 0;
  set_square_grid(spec, (*position)[1], 1);
  return spec;
}

}  // namespace

Family vit_family() {
  return {.name = "vit",
          .summary = "plain Vision Transformer, the baseline",
          .presets = {{"vit_tiny_patch16_224", "5.72 M parameters"},
                      {"vit_small_patch16_224", "22.1 M parameters"},
                      {"vit_base_patch16_224", "86.6 M parameters"},
                      {"vit_large_patch16_224", "304 M parameters"}},
          .make = make,
          .schemes = {{"timm", {{".mlp.up.", ".mlp.fc1."}, {".mlp.down.", ".mlp.fc2."}}}},
          .infer = infer};
}

}  // namespace conopa::arch

// The plain Vision Transformer, baseline of every comparison (arXiv 2010.11929, DeiT sizes).

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

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
  set_standard_size(spec, preset);
  return spec;
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const Shape* up = shape_of(tensors, "blocks.0.mlp.fc1.weight");
  if (up == nullptr) up = shape_of(tensors, names::block(0, names::kUp) + ".weight");
  EncoderSpec spec = make("");
  if (!tensors.contains("norm.bias") || !read_plain_shapes(spec, tensors, up)) return std::nullopt;
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
          .infer = infer,
          .squash_from = 384};
}

}  // namespace conopa::arch

// iLLaMA: a LLaMA decoder as image classifier (arXiv 2404.06773, table 12 and released code).

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
  EncoderSpec spec;  // the defaults of EncoderSpec are the released iLLaMA block
  spec.family = "illama";
  for (const Size& size : kSizes) {
    if (preset.find(size.word) == std::string_view::npos) continue;
    spec.dim = size.dim;
    spec.depth = size.depth;
    spec.heads = size.heads;
  }
  if (preset.ends_with("_384")) spec.height = spec.width = 384;
  return spec;
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const std::optional<PlainShapes> plain = plain_shapes(tensors);
  const Shape* position = shape_of(tensors, names::kPosition);
  // The gate projection under its official or canonical name tells SwiGLU from a plain ViT.
  const Shape* gate = shape_of(tensors, "blocks.0.mlp.fc3.weight");
  const Shape* canonical_gate = shape_of(tensors, names::block(0, names::kGate) + ".weight");
  if (gate == nullptr) gate = canonical_gate;
  if (!plain || gate == nullptr || position == nullptr || position->size() != 3 ||
      gate->size() != 2) {
    return std::nullopt;
  }
  EncoderSpec spec = make("");
  spec.dim = plain->dim;
  spec.depth = plain->depth;
  spec.channels = plain->channels;
  spec.patch = plain->patch;
  spec.heads = spec.dim % kHeadDim == 0 ? spec.dim / kHeadDim : 1;
  spec.mlp_hidden = (*gate)[0];
  spec.norm = tensors.contains("norm.bias") ? Norm::kLayer : Norm::kRms;
  spec.qkv_bias = tensors.contains("blocks.0.attn.qkv.bias");
  if (tensors.contains(names::block(0, names::kMapAct) + ".alpha")) {
    spec.quantization = Quantization::kLsq;
    spec.qk_norm = QkNorm::kRmsAfterRotary;
    if (const Shape* act = shape_of(tensors, names::block(0, names::kMapAct) + ".alpha");
        act->size() == 1 && act->front() > 0) {
      spec.heads = act->front();  // one step size per head
    }
  }
  const Shape* head = shape_of(tensors, "head.weight");
  spec.num_classes = head != nullptr && head->size() == 2 ? (*head)[0] : 0;
  set_square_grid(spec, (*position)[1], 1);
  return spec;
}

}  // namespace

Family illama_family() {
  return {
      .name = "illama",
      .summary =
          "LLaMA decoder as image classifier: causal soft mask, class token behind the image",
      .presets =
          {{"illama_tiny_patch16_224", "5.70 M parameters; 75.0 % ImageNet-1K top-1 in the paper"},
           {"illama_small_patch16_224", "22.0 M parameters; 79.9 % in the paper"},
           {"illama_base_patch16_224", "86.5 M parameters; 81.6 % in the paper (83.6 % from 21K)"},
           {"illama_base_patch16_384", "86.8 M parameters; 83.0 % in the paper (85.0 % from 21K)"},
           {"illama_large_patch16_224", "310 M parameters; 84.8 % from 21K in the paper"},
           {"illama_large_patch16_384", "311 M parameters; 86.0 % from 21K in the paper"}},
      .make = make,
      .schemes =
          {{"official",
            {{".mlp.gate.", ".mlp.fc1."}, {".mlp.down.", ".mlp.fc2."}, {".mlp.up.", ".mlp.fc3."}}}},
      .infer = infer};
}

}  // namespace conopa::arch

// iLLaMA: a LLaMA decoder as image classifier (arXiv 2404.06773, table 12 and released code).

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

EncoderSpec make(std::string_view preset) {
  EncoderSpec spec;  // the defaults of EncoderSpec are the released iLLaMA block
  spec.family = "illama";
  set_standard_size(spec, preset);
  if (preset.ends_with("_384")) spec.height = spec.width = 384;
  return spec;
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  // The third feed-forward matrix, under its official or canonical name, tells SwiGLU from a ViT.
  const Shape* gate = shape_of(tensors, "blocks.0.mlp.fc3.weight");
  if (gate == nullptr) gate = shape_of(tensors, names::block(0, names::kGate) + ".weight");
  // No iLLaMA has layer scale; the plain VisionLLaMA, alike otherwise, does.
  if (tensors.contains(names::block(0, names::kScale1))) return std::nullopt;
  EncoderSpec spec = make("");
  if (!read_plain_shapes(spec, tensors, gate)) return std::nullopt;
  spec.norm = tensors.contains("norm.bias") ? Norm::kLayer : Norm::kRms;
  spec.qkv_bias = tensors.contains("blocks.0.attn.qkv.bias");
  const Shape* step_sizes = shape_of(tensors, names::block(0, names::kMapAct) + ".alpha");
  if (step_sizes != nullptr) {
    spec.quantization = Quantization::kLsq;
    spec.qk_norm = QkNorm::kRmsAfterRotary;
    if (step_sizes->size() == 1 && step_sizes->front() > 0) {
      spec.heads = step_sizes->front();  // one per head
    }
  }
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
      .infer = infer,
      .squash_from = 384};
}

}  // namespace conopa::arch

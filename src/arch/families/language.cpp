// Small language models of the LLaMA block, to be trained here: sources of frozen blocks.

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "language";

EncoderSpec make(std::string_view preset) {
  EncoderSpec spec;
  spec.family = kName;
  spec.input = Input::kTokens;
  spec.vocabulary = spec.num_classes = 259;  // bytes and three marks
  spec.height = spec.patch = spec.channels = 1;
  spec.width = 128;
  spec.dim = 256;
  spec.depth = 4;
  spec.heads = 4;
  spec.class_token = ClassToken::kNone;
  spec.position = Position::kNone;
  spec.rotary = Rotary::kLine;
  spec.mask = Mask::kCausal;
  spec.mlp_multiple_of = 64;
  spec.norm_eps = 1e-5;
  spec.qkv_bias = spec.proj_bias = spec.mlp_bias = spec.head_bias = false;
  spec.read_out = ReadOut::kMean;
  if (preset.find("small") != std::string_view::npos) {
    spec.width = 256;
    spec.dim = 512;
    spec.depth = 8;
    spec.heads = 8;
  }
  return spec;
}

}  // namespace

Family language_family() {
  return {.name = kName,
          .summary = "LLaMA language models to be trained by conopa train-lm",
          .presets = {{"lm_tiny", "3.3 M parameters over bytes, for a CPU"},
                      {"lm_small", "25.6 M parameters over bytes"}},
          .make = make,
          .schemes = {},
          .infer = [](const TensorIndex&) -> std::optional<EncoderSpec> { return std::nullopt; }};
}

}  // namespace conopa::arch

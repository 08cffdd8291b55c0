// Vision Transformers with frozen blocks of a language model (LM4V, arXiv 2310.12973).

#include <fmt/format.h>

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "lm4v";
constexpr double kLayerScale = 1e-5;

EncoderSpec make(std::string_view preset) {
  EncoderSpec spec = family("vit").make(preset);
  spec.family = kName;
  if (preset.find("patch32") != std::string_view::npos) spec.patch = 32;
  spec.llm.unit = LanguageUnit::kBlock;
  return spec;
}

std::vector<NamingScheme> schemes() {
  const std::vector<RenameRule> replace{{".mlp.up.", ".mlp.fc1."},
                                        {".mlp.down.", ".mlp.fc2."},
                                        {".ls1", ".ls1.gamma"},
                                        {".ls2", ".ls2.gamma"}};
  NamingScheme official{.name = "official", .replace = replace, .serves = [](const EncoderSpec& s) {
                          return s.read_out != ReadOut::kPatchMeanNorm;
                        }};
  NamingScheme pooled{
      .name = "official_pool",
      .replace = replace,
      .begin = {{"norm.", "fc_norm."}},
      .serves = [](const EncoderSpec& s) { return s.read_out == ReadOut::kPatchMeanNorm; }};
  add_language_names(official);
  add_language_names(pooled);
  return {official, pooled};
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const auto view = find_view(
      family(kName), tensors,
      {std::string(names::kLanguageIn) + ".weight", names::block(0, names::kUp) + ".weight"},
      {std::string(names::kFinalNorm) + ".weight"});
  if (!view) return std::nullopt;
  EncoderSpec spec = make("");
  if (!read_plain_shapes(spec, tensors, view->shape(names::block(0, names::kUp) + ".weight")) ||
      !read_language_shapes(spec.llm, *view)) {
    return std::nullopt;
  }
  spec.qkv_bias = view->has(names::block(0, names::kQkv) + ".bias");
  if (view->has(names::block(0, names::kScale1))) spec.layer_scale = kLayerScale;
  if (view->scheme() == "official_pool") spec.read_out = ReadOut::kPatchMeanNorm;
  return spec;
}

std::vector<std::string> doubts(const EncoderSpec& guess) {
  if (!guess.llm.has_blocks()) return {};
  return {
      fmt::format("the language block is taken to have {} heads of {} channels; --set "
                  "llm_heads=N for others",
                  guess.llm.heads, guess.llm.dim / guess.llm.heads)};
}

}  // namespace

Family lm4v_family() {
  return {.name = kName,
          .summary = "LM4V: a Vision Transformer with a frozen block of a language model",
          .presets = {{"vit_llama_tiny_patch16_224", "7.29 M trained beside a LLaMA-7B block"},
                      {"vit_llama_small_patch16_224",
                       "25.2 M trained; 80.7 % ImageNet-1K top-1 in the paper"},
                      {"vit_llama_base_patch16_224", "92.9 M trained; 81.7 % in the paper"},
                      {"vit_llama_tiny_patch32_224", "patches of 32 px"},
                      {"vit_llama_base_patch32_224", "patches of 32 px"}},
          .make = make,
          .schemes = schemes(),
          .infer = infer,
          .doubts = doubts};
}

}  // namespace conopa::arch

#pragma once

#include <vector>

#include "tests/nn/encoder_testing.h"

namespace conopa::nn {

/// A ViT with a language block of another width.
inline void make_language_host(arch::EncoderSpec& s) {
  s.class_token = arch::ClassToken::kFront;
  s.rotary = arch::Rotary::kNone;
  s.mask = arch::Mask::kBidirectional;
  s.norm = arch::Norm::kLayer;
  s.mlp = arch::Mlp::kGelu;
  s.mlp_bias = true;
  s.llm.unit = arch::LanguageUnit::kBlock;
  s.llm.dim = 40;
  s.llm.heads = 4;
  s.llm.hidden = 56;
}

inline Variant language_variant(const std::string& name, const Edit& edit) {
  return {name, [edit](arch::EncoderSpec& s) {
            make_language_host(s);
            if (edit) edit(s);
          }};
}

/// Every place, unit, norm and depth; the first ones take the short form.
inline std::vector<Variant> language_variants() {
  using arch::EncoderSpec, arch::LanguageUnit, arch::ReadOut;
  const auto opt = [](EncoderSpec& s) {
    s.llm.norm = arch::Norm::kLayer;
    s.llm.mlp = arch::Mlp::kRelu;
    s.llm.bias = true;
    s.llm.final_norm = false;
    s.llm.norm_eps = 1e-5;
  };
  return {
      language_variant("tail", {}),
      language_variant("tail_opt", opt),
      language_variant("tail_trainable", [](EncoderSpec& s) { s.llm.trainable = true; }),
      language_variant("tail_class_token_back",
                       [](EncoderSpec& s) { s.class_token = arch::ClassToken::kBack; }),
      language_variant("tail_two", [](EncoderSpec& s) { s.llm.depth = 2; }),
      language_variant("tail_post_norm",
                       [opt](EncoderSpec& s) {
                         opt(s);
                         s.llm.post_norm = true;
                       }),
      language_variant("tail_mean", [](EncoderSpec& s) { s.read_out = ReadOut::kMeanNorm; }),
      language_variant("tail_patch_mean",
                       [](EncoderSpec& s) {
                         s.read_out = ReadOut::kPatchMeanNorm;
                         s.position_class_row = false;
                       }),
      language_variant("middle",
                       [](EncoderSpec& s) {
                         s.llm.after = 1;
                         s.layer_scale = 0.3;
                       }),
      language_variant("head_two",
                       [](EncoderSpec& s) {
                         s.llm.after = 0;
                         s.llm.depth = 2;
                       }),
      language_variant("only_mlp", [](EncoderSpec& s) { s.llm.unit = LanguageUnit::kOnlyMlp; }),
      language_variant("mlp", [](EncoderSpec& s) { s.llm.unit = LanguageUnit::kMlp; }),
      language_variant("mlp_middle",
                       [](EncoderSpec& s) {
                         s.llm.unit = LanguageUnit::kMlp;
                         s.llm.after = 2;
                       }),
  };
}

}  // namespace conopa::nn

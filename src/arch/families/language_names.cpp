// Names and shapes of a LLaMA block in the released checkpoints of encoders that hold one.

#include <fmt/format.h>

#include "arch/families/families.h"

namespace conopa::arch {

void add_language_names(NamingScheme& scheme) {
  const std::string_view llm = "llm.layers.";
  const std::vector<RenameRule> layers{
      {".mlp.gate.", ".feed_forward.w1.", llm}, {".mlp.down.", ".feed_forward.w2.", llm},
      {".mlp.up.", ".feed_forward.w3.", llm},   {".attn.proj.", ".attention.wo.", llm},
      {".norm1.", ".attention_norm.", llm},     {".norm2.", ".ffn_norm.", llm}};
  scheme.replace.insert(scheme.replace.begin(), layers.begin(), layers.end());
  const std::vector<RenameRule> begin{{"llm.mapper1.", "llama_dim_mapper1."},
                                      {"llm.mapper2.", "llama_dim_mapper2."},
                                      {"llm.", "llama."}};
  scheme.begin.insert(scheme.begin.begin(), begin.begin(), begin.end());
  scheme.joins.push_back(
      {".attn.qkv.", {".attention.wq.", ".attention.wk.", ".attention.wv."}, llm});
}

bool read_language_shapes(LanguageBlock& llm, const ForeignView& view) {
  constexpr std::int64_t kHeadDim = 128;
  const Shape* in = view.shape(std::string(names::kLanguageIn) + ".weight");
  if (in == nullptr || in->size() != 2) return false;
  llm.dim = (*in)[0];
  llm.heads = llm.dim % kHeadDim == 0 ? llm.dim / kHeadDim : 1;
  const auto weight = [](std::int64_t layer, std::string_view what) {
    return fmt::format("{}.{}.weight", names::language_layer(layer), what);
  };
  llm.depth = 0;
  while (view.has(weight(llm.depth, names::kDown))) ++llm.depth;
  const Shape* hidden = view.shape(weight(0, names::kUp));
  if (llm.depth == 0 || hidden == nullptr || hidden->size() != 2) {
    llm.unit = LanguageUnit::kMlp;
    return true;
  }
  llm.hidden = (*hidden)[0];
  llm.unit = view.has(weight(0, names::kProj)) ? LanguageUnit::kBlock : LanguageUnit::kOnlyMlp;
  llm.final_norm = view.has(std::string(names::kLanguageNorm) + ".weight");
  return true;
}

}  // namespace conopa::arch

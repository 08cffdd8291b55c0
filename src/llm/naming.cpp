#include "llm/naming.h"

#include <array>

#include "conopa/arch/tensor_table.h"

namespace conopa::llm {
namespace {

using std::string_view;

constexpr std::array<string_view, 1> kNoBase{""};

constexpr std::array kMetaParts{Spelling{Part::kNorm1, "attention_norm"},
                                Spelling{Part::kQuery, "attention.wq", Cut::kRows},
                                Spelling{Part::kKey, "attention.wk", Cut::kRows},
                                Spelling{Part::kValue, "attention.wv", Cut::kRows},
                                Spelling{Part::kProj, "attention.wo", Cut::kColumns},
                                Spelling{Part::kNorm2, "ffn_norm"},
                                Spelling{Part::kGate, "feed_forward.w1", Cut::kRows},
                                Spelling{Part::kUp, "feed_forward.w3", Cut::kRows},
                                Spelling{Part::kDown, "feed_forward.w2", Cut::kColumns}};
constexpr std::array<string_view, 1> kMetaIgnored{"attention.inner_attention.rope.freqs"};

constexpr std::array<string_view, 2> kLlamaBases{"model.", ""};
constexpr std::array kLlamaParts{
    Spelling{Part::kNorm1, "input_layernorm"}, Spelling{Part::kQuery, "self_attn.q_proj"},
    Spelling{Part::kKey, "self_attn.k_proj"},  Spelling{Part::kValue, "self_attn.v_proj"},
    Spelling{Part::kProj, "self_attn.o_proj"}, Spelling{Part::kNorm2, "post_attention_layernorm"},
    Spelling{Part::kGate, "mlp.gate_proj"},    Spelling{Part::kUp, "mlp.up_proj"},
    Spelling{Part::kDown, "mlp.down_proj"}};
constexpr std::array<string_view, 1> kLlamaIgnored{"self_attn.rotary_emb.inv_freq"};

constexpr std::array<string_view, 3> kOptBases{"model.decoder.", "decoder.", ""};
constexpr std::array kOptParts{Spelling{Part::kNorm1, "self_attn_layer_norm"},
                               Spelling{Part::kQuery, "self_attn.q_proj"},
                               Spelling{Part::kKey, "self_attn.k_proj"},
                               Spelling{Part::kValue, "self_attn.v_proj"},
                               Spelling{Part::kProj, "self_attn.out_proj"},
                               Spelling{Part::kNorm2, "final_layer_norm"},
                               Spelling{Part::kUp, "fc1"},
                               Spelling{Part::kDown, "fc2"}};

constexpr std::array kGgufParts{
    Spelling{Part::kNorm1, "attn_norm"},  Spelling{Part::kQuery, "attn_q"},
    Spelling{Part::kKey, "attn_k"},       Spelling{Part::kValue, "attn_v"},
    Spelling{Part::kProj, "attn_output"}, Spelling{Part::kNorm2, "ffn_norm"},
    Spelling{Part::kGate, "ffn_gate"},    Spelling{Part::kUp, "ffn_up"},
    Spelling{Part::kDown, "ffn_down"}};
constexpr std::array<string_view, 1> kGgufIgnored{"attn_rot_embd.weight"};

constexpr Naming kMeta{.format = "Meta",
                       .bases = kNoBase,
                       .layers = "layers.",
                       .parts = kMetaParts,
                       .final_norm = "norm",
                       .embedding = "tok_embeddings.weight",
                       .output = "output.weight",
                       .ignored = kMetaIgnored};
constexpr Naming kLlama{.format = "Hugging Face",
                        .bases = kLlamaBases,
                        .layers = "layers.",
                        .parts = kLlamaParts,
                        .final_norm = "norm",
                        .embedding = "embed_tokens.weight",
                        .output = "lm_head.weight",
                        .ignored = kLlamaIgnored,
                        .halves = true};
constexpr Naming kOpt{.format = "Hugging Face",
                      .bases = kOptBases,
                      .layers = "layers.",
                      .parts = kOptParts,
                      .final_norm = "final_layer_norm",
                      .embedding = "embed_tokens.weight",
                      .output = "lm_head.weight",
                      .ignored = {}};
// The converters of GGUF files bring q and k of this architecture back to adjacent pairs.
constexpr Naming kGguf{.format = "GGUF",
                       .bases = kNoBase,
                       .layers = "blk.",
                       .parts = kGgufParts,
                       .final_norm = "output_norm",
                       .embedding = "token_embd.weight",
                       .output = "output.weight",
                       .ignored = kGgufIgnored};

}  // namespace

const Naming& meta_naming() noexcept { return kMeta; }
const Naming& hugging_face_llama_naming() noexcept { return kLlama; }
const Naming& hugging_face_opt_naming() noexcept { return kOpt; }
const Naming& gguf_llama_naming() noexcept { return kGguf; }

Shape weight_shape(const LmConfig& config, Part part) {
  switch (part) {
    case Part::kNorm1:
    case Part::kNorm2:
      return {config.dim};
    case Part::kQuery:
    case Part::kProj:
      return {config.dim, config.dim};
    case Part::kKey:
    case Part::kValue:
      return {config.kv_dim(), config.dim};
    case Part::kGate:
    case Part::kUp:
      return {config.hidden, config.dim};
    case Part::kDown:
      return {config.dim, config.hidden};
  }
  return {};
}

bool has_bias(const LmConfig& config, Part part) noexcept {
  return is_norm(part) ? config.norm == arch::Norm::kLayer : config.bias;
}

std::string_view own_name(Part part) noexcept {
  switch (part) {
    case Part::kNorm1:
      return arch::names::kNorm1;
    case Part::kNorm2:
      return arch::names::kNorm2;
    case Part::kQuery:
    case Part::kKey:
    case Part::kValue:
      return arch::names::kQkv;
    case Part::kProj:
      return arch::names::kProj;
    case Part::kGate:
      return arch::names::kGate;
    case Part::kUp:
      return arch::names::kUp;
    case Part::kDown:
      return arch::names::kDown;
  }
  return {};
}

}  // namespace conopa::llm

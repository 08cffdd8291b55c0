// The text tower of AIMv2's zero-shot pair (arXiv 2411.14402, section 5): a causal LLaMA over CLIP
// tokens.

#include "arch/families/families.h"
#include "arch/families/hub_config.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "aim_v2_text";
constexpr std::int64_t kHeadDim = 128;

EncoderSpec make(std::string_view) {
  EncoderSpec spec;
  spec.family = kName;
  spec.input = Input::kTokens;
  spec.vocabulary = 49408;
  spec.end_token = 49407;
  spec.channels = spec.height = spec.patch = 1;
  spec.width = 77;
  spec.dim = 768;
  spec.depth = 12;
  spec.heads = 6;
  spec.class_token = ClassToken::kNone;
  spec.rotary = Rotary::kNone;
  spec.mask = Mask::kCausal;
  spec.norm = Norm::kRms;
  spec.norm_eps = 1e-5;
  spec.qkv_bias = spec.proj_bias = false;
  spec.read_out = ReadOut::kEnd;
  spec.num_classes = 0;
  spec.projection = 768;
  return spec;
}

bool is_lit(const EncoderSpec& spec) { return spec.projection > 0; }

std::vector<NamingScheme> schemes() {
  return {{.name = "official_lit",
           .replace = {{".norm1.", ".norm_1."},
                       {".norm2.", ".norm_2."},
                       {".mlp.gate.", ".mlp.fc1."},
                       {".mlp.up.", ".mlp.fc3."},
                       {".mlp.down.", ".mlp.fc2."}},
           .begin = {{"blocks.", "text_encoder.trunk.blocks."},
                     {"norm.", "text_encoder.trunk.post_trunk_norm."},
                     {"pos_embed", "text_encoder.preprocessor.positional_embedding"},
                     {"token_embed.", "text_encoder.preprocessor.text_embedding."},
                     {"projection.", "text_projector."}},
           .ignored = {"image_encoder.", "image_projector.", "log_logit_scale"},
           .serves = is_lit,
           .flat = {names::kPosition},
           .pair_scale = "log_logit_scale"},
          {.name = "transformers_lit",
           .replace = {{".norm1.", ".rms_norm1."},
                       {".norm2.", ".rms_norm2."},
                       {".attn.proj.", ".attention.out_proj."},
                       {".mlp.gate.", ".ffn.gate_proj."},
                       {".mlp.up.", ".ffn.up_proj."},
                       {".mlp.down.", ".ffn.down_proj."}},
           .begin = {{"blocks.", "text_model.encoder.layers."},
                     {"norm.", "text_model.rms_norm."},
                     {"pos_embed", "text_model.embeddings.position_embedding.weight"},
                     {"token_embed.", "text_model.embeddings.token_embedding."},
                     {"projection.", "text_projection."}},
           .ignored = {"vision_model.", "visual_projection.", "logit_scale",
                       "text_model.embeddings.position_ids"},
           .joins = {{".attn.qkv.weight",
                      {".attention.q_proj.weight", ".attention.k_proj.weight",
                       ".attention.v_proj.weight"}}},
           .serves = is_lit,
           .flat = {names::kPosition},
           .pair_scale = "logit_scale"}};
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const auto view =
      find_view(family(kName), tensors,
                {std::string(names::kTokenEmbed) + ".weight", std::string(names::kPosition),
                 names::block(0, names::kUp) + ".weight"},
                {});
  if (!view) return std::nullopt;
  const Shape& words = *view->shape(std::string(names::kTokenEmbed) + ".weight");
  const Shape& places = *view->shape(names::kPosition);
  const Shape& up = *view->shape(names::block(0, names::kUp) + ".weight");
  if (words.size() != 2 || places.size() < 2 || up.size() != 2) return std::nullopt;
  EncoderSpec spec = make("");
  spec.vocabulary = words[0];
  spec.end_token = words[0] - 1;
  spec.dim = words[1];
  spec.width = places[places.size() - 2];
  spec.heads = spec.dim % kHeadDim == 0 ? spec.dim / kHeadDim : 1;
  spec.mlp_hidden = up[0];
  spec.depth = 0;
  while (view->has(names::block(spec.depth, names::kNorm1) + ".weight")) ++spec.depth;
  const Shape* projection = view->shape(std::string(names::kProjection) + ".weight");
  spec.projection = projection != nullptr && projection->size() == 2 ? (*projection)[0] : 0;
  return spec;
}

bool configure(EncoderSpec& guess, const HubConfigFile& file) {
  const HubConfig config = HubConfig(file).section("text_config");
  if (!config.has("hidden_size") || !config.has("vocab_size")) return false;
  config.agree("hidden_size", guess.dim);
  config.agree("intermediate_size", guess.mlp_hidden);
  config.agree("num_hidden_layers", guess.depth);
  config.agree("vocab_size", guess.vocabulary);
  config.agree("max_position_embeddings", guess.width);
  config.agree("qkv_bias", guess.qkv_bias);
  config.agree("mlp_bias", guess.mlp_bias);
  config.take_heads("num_attention_heads", guess);
  guess.end_token = config.integer("eos_token_id").value_or(guess.end_token);
  guess.norm_eps = config.number("rms_norm_eps").value_or(guess.norm_eps);
  return true;
}

}  // namespace

Family aim_v2_text_family() {
  return {.name = kName,
          .summary = "text tower of AIMv2's zero-shot pair",
          .presets = {{"aimv2_lit_text", "123 M parameters, 77 CLIP tokens"}},
          .make = make,
          .schemes = schemes(),
          .infer = infer,
          .configure = configure};
}

}  // namespace conopa::arch

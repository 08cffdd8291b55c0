// AIMv2 encoders (arXiv 2411.14402): RMSNorm, SwiGLU, learned or computed positions.

#include <array>

#include "arch/families/families.h"
#include "arch/families/hub_config.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "aim_v2";

struct Size {
  std::string_view word;
  std::int64_t dim, depth, heads;
};
constexpr std::array<Size, 6> kSizes{{{"tiny", 192, 12, 3},
                                      {"base", 768, 12, 6},
                                      {"large", 1024, 24, 8},
                                      {"huge", 1536, 24, 12},
                                      {"1b", 2048, 24, 16},
                                      {"3b", 3072, 24, 24}}};
constexpr std::int64_t kLitWidth = 768;

EncoderSpec make(std::string_view preset) {
  const auto says = [preset](std::string_view word) {
    return preset.find(word) != std::string_view::npos;
  };
  EncoderSpec spec = aim_common(kName);
  spec.norm = Norm::kRms;
  spec.norm_eps = 1e-5;
  spec.mlp = Mlp::kSwiglu;
  spec.position = says("native") ? Position::kSinCosComputed : Position::kLearned;
  spec.num_classes = 0;
  for (const Size& size : kSizes) {
    if (!says(size.word)) continue;
    spec.dim = size.dim;
    spec.depth = size.depth;
    spec.heads = size.heads;
  }
  if (says("_336")) spec.height = spec.width = 336;
  if (says("_448")) spec.height = spec.width = 448;
  if (says("_lit")) {
    spec.read_out = ReadOut::kAttention;
    spec.num_classes = spec.dim;
    spec.projection = kLitWidth;
  }
  if (preset.ends_with("_pretrain")) {
    make_next_patch(spec);
    spec.decoder = Decoder::kCaption;
    spec.decoder_mixer = Mixer::kAttention;
    spec.decoder_dim = 1024;
    spec.decoder_heads = 8;
    spec.decoder_vocabulary = 32000;
    spec.decoder_context = 77;
  }
  return spec;
}

bool has_head(const EncoderSpec& spec) {
  return spec.num_classes > 0 || spec.read_out == ReadOut::kAttention;
}
bool is_plain(const EncoderSpec& spec) {
  return spec.mlp == Mlp::kSwiglu && spec.norm == Norm::kRms && spec.decoder == Decoder::kNone;
}
bool is_encoder(const EncoderSpec& spec) { return is_plain(spec) && spec.projection == 0; }
bool is_bare(const EncoderSpec& spec) { return is_encoder(spec) && !has_head(spec); }
bool is_lit(const EncoderSpec& spec) { return is_plain(spec) && spec.projection > 0; }
bool is_caption(const EncoderSpec& spec) { return spec.decoder == Decoder::kCaption; }

const std::vector<RenameRule> kBlockRules{{".norm1.", ".norm_1."},
                                          {".norm2.", ".norm_2."},
                                          {".mlp.gate.", ".mlp.fc1."},
                                          {".mlp.up.", ".mlp.fc3."},
                                          {".mlp.down.", ".mlp.fc2."}};
const std::vector<RenameRule> kTransformersRules{{".norm1.", ".rms_norm1."},
                                                 {".norm2.", ".rms_norm2."},
                                                 {".attn.proj.", ".attention.out_proj."},
                                                 {".mlp.gate.", ".ffn.gate_proj."},
                                                 {".mlp.up.", ".ffn.up_proj."},
                                                 {".mlp.down.", ".ffn.down_proj."}};
const std::vector<JoinRule> kTransformersJoins{
    {".attn.qkv.weight",
     {".attention.q_proj.weight", ".attention.k_proj.weight", ".attention.v_proj.weight"}},
    {".attn.qkv.bias",
     {".attention.q_proj.bias", ".attention.k_proj.bias", ".attention.v_proj.bias"}}};

NamingScheme official() {
  return {.name = "official",
          .replace = kBlockRules,
          .begin = {{"blocks.", "trunk.blocks."},
                    {"norm.", "trunk.post_trunk_norm."},
                    {"pos_embed", "preprocessor.pos_embed"},
                    {"patch_embed.", "preprocessor.patchifier."},
                    {"head_norm.", "head.bn."},
                    {"head.queries", "head.cls_token"},
                    {"head.weight", "head.linear.weight"},
                    {"head.bias", "head.linear.bias"}},
          .serves = is_encoder};
}

NamingScheme official_lit() {
  return {.name = "official_lit",
          .replace = kBlockRules,
          .begin = {{"blocks.", "image_encoder.trunk.blocks."},
                    {"norm.", "image_encoder.trunk.post_trunk_norm."},
                    {"pos_embed", "image_encoder.preprocessor.pos_embed"},
                    {"patch_embed.", "image_encoder.preprocessor.patchifier."},
                    {"head.queries", "image_encoder.head.cls_token"},
                    {"head.weight", "image_encoder.head.linear.weight"},
                    {"head.bias", "image_encoder.head.linear.bias"},
                    {"head.", "image_encoder.head."},
                    {"projection.", "image_projector."}},
          .ignored = {"text_encoder.", "text_projector.", "log_logit_scale"},
          .serves = is_lit,
          .pair_scale = "log_logit_scale"};
}

NamingScheme transformers() {
  return {.name = "transformers",
          .replace = kTransformersRules,
          .begin = {{"blocks.", "encoder.layers."},
                    {"norm.", "rms_norm."},
                    {"pos_embed", "embeddings.position_embedding.weight"},
                    {"patch_embed.proj.", "embeddings.patch_embed."},
                    {"patch_embed.norm.", "embeddings.rms_norm."},
                    {"head.queries", "head.cls_token"},
                    {"head.k.", "head.k_proj."},
                    {"head.v.", "head.v_proj."},
                    {"head.weight", "head.output_proj.weight"},
                    {"head.bias", "head.output_proj.bias"}},
          .joins = kTransformersJoins,
          .serves = is_encoder,
          .flat = {names::kPosition}};
}

NamingScheme transformers_lit() {
  return {.name = "transformers_lit",
          .replace = kTransformersRules,
          .begin = {{"blocks.", "vision_model.encoder.layers."},
                    {"norm.", "vision_model.rms_norm."},
                    {"pos_embed", "vision_model.embeddings.position_embedding.weight"},
                    {"patch_embed.proj.", "vision_model.embeddings.patch_embed."},
                    {"patch_embed.norm.", "vision_model.embeddings.rms_norm."},
                    {"head.queries", "vision_model.head.cls_token"},
                    {"head.k.", "vision_model.head.k_proj."},
                    {"head.v.", "vision_model.head.v_proj."},
                    {"head.weight", "vision_model.head.output_proj.weight"},
                    {"head.bias", "vision_model.head.output_proj.bias"},
                    {"projection.", "visual_projection."}},
          .ignored = {"text_model.", "text_projection.", "logit_scale"},
          .joins = kTransformersJoins,
          .serves = is_lit,
          .flat = {names::kPosition},
          .pair_scale = "logit_scale"};
}

NamingScheme timm() {
  return {.name = "timm",
          .replace = {{".mlp.gate.", ".mlp.fc1_g."},
                      {".mlp.up.", ".mlp.fc1_x."},
                      {".mlp.down.", ".mlp.fc2."}},
          .serves = is_bare};
}

NamingScheme l3m() {
  return {
      .name = "l3m",
      .replace = kBlockRules,
      .begin = {{"blocks.", "models.image_encoder.trunk.blocks."},
                {"norm.", "models.image_encoder.trunk.post_trunk_norm."},
                {"pos_embed", "models.image_encoder.preprocessor.blocks.0.pos_embed"},
                {"patch_embed.", "models.image_encoder.preprocessor.blocks.0.patchifier."},
                {"decoder.embed.", "models.text_decoder.preprocessor.vision_preprocessor.module."},
                {"decoder.token_pos",
                 "models.text_decoder.preprocessor.text_preprocessor.positional_embedding"},
                {"decoder.begin", "models.text_decoder.preprocessor.text_preprocessor.cls_token"},
                {"decoder.token_embed.",
                 "models.text_decoder.preprocessor.text_preprocessor.text_embedding."},
                {"decoder.blocks.", "models.text_decoder.trunk.blocks."},
                {"decoder.norm.", "models.text_decoder.trunk.post_trunk_norm."},
                {"decoder.token_pred.", "models.text_decoder.head.blocks.0.linear."},
                {"decoder.pred.", "models.text_decoder.head.blocks.1.linear."}},
      .joins = {{".attn.qkv.weight",
                 {".attn.q_proj.weight", ".attn.k_proj.weight", ".attn.v_proj.weight"}}},
      .serves = is_caption,
      .flat = {names::kDecoderTokenPosition}};
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const auto view =
      find_view(family(kName), tensors,
                {std::string(names::kPatchWeight), std::string(kPatchNormWeight),
                 names::block(0, names::kGate) + ".weight"},
                {names::block(0, names::kQkv) + ".weight", std::string(names::kPosition),
                 std::string(names::kPoolQueries), std::string(names::kDecoderOut) + ".weight"});
  if (!view) return std::nullopt;
  EncoderSpec spec = make("");
  if (!read_aim_shapes(spec, *view)) return std::nullopt;
  return spec;
}

bool configure(EncoderSpec& guess, const HubConfigFile& file) {
  const HubConfig config = HubConfig(file).section("vision_config");
  if (!config.has("hidden_size") || !config.has("num_hidden_layers")) return false;
  config.agree("hidden_size", guess.dim);
  config.agree("intermediate_size", guess.mlp_hidden);
  config.agree("num_hidden_layers", guess.depth);
  config.agree("num_channels", guess.channels);
  config.agree("patch_size", guess.patch);
  config.agree("qkv_bias", guess.qkv_bias);
  config.agree("use_bias", guess.mlp_bias);
  config.agree("mlp_bias", guess.mlp_bias);
  config.take_heads("num_attention_heads", guess);
  config.take_size("image_size", guess);
  guess.norm_eps = config.number("rms_norm_eps").value_or(guess.norm_eps);
  return true;
}

// The statistics of CLIP; models of native resolution take images as they are.
ReleasedInput input(const EncoderSpec& spec) {
  return {.mean = {0.48145466, 0.4578275, 0.40821073},
          .std = {0.26862954, 0.26130258, 0.27577711},
          .crop_pct = 1.0,
          .as_is = spec.position == Position::kSinCosComputed};
}

}  // namespace

Family aim_v2_family() {
  return {
      .name = kName,
      .summary = "AIMv2: pre-trained on images and captions, with RMSNorm and SwiGLU",
      .presets = {{"aimv2_tiny_patch14_224", "for experiments on a CPU"},
                  {"aimv2_base_patch14_224", "85.6 M parameters"},
                  {"aimv2_large_patch14_224",
                   "309 M parameters; 86.6 % ImageNet-1K top-1 of a probe in the paper"},
                  {"aimv2_large_patch14_336", "310 M parameters; 87.6 % in the paper"},
                  {"aimv2_large_patch14_448", "310 M parameters; 87.9 % in the paper"},
                  {"aimv2_large_patch14_native", "309 M parameters, any size; 87.3 %"},
                  {"aimv2_large_patch14_224_lit",
                   "image tower of zero-shot classification, 77.0 % in the paper"},
                  {"aimv2_huge_patch14_224", "681 M parameters; 87.5 % in the paper"},
                  {"aimv2_huge_patch14_336", "681 M parameters; 88.2 % in the paper"},
                  {"aimv2_huge_patch14_448", "682 M parameters; 88.6 % in the paper"},
                  {"aimv2_1b_patch14_224", "1.23 B parameters; 88.1 % in the paper"},
                  {"aimv2_1b_patch14_336", "1.23 B parameters; 88.7 % in the paper"},
                  {"aimv2_1b_patch14_448", "1.24 B parameters; 89.0 % in the paper"},
                  {"aimv2_3b_patch14_224", "2.72 B parameters; 88.5 % in the paper"},
                  {"aimv2_3b_patch14_336", "2.72 B parameters; 89.2 % in the paper"},
                  {"aimv2_3b_patch14_448", "2.72 B parameters; 89.5 % in the paper"},
                  {"aimv2_tiny_patch14_224_pretrain", "pre-training of the tiny model"},
                  {"aimv2_large_patch14_224_pretrain", "pre-training on images and captions"}},
      .make = make,
      .schemes = {official(), official_lit(), transformers(), transformers_lit(), timm(), l3m()},
      .infer = infer,
      .input = input,
      .configure = configure,
      .text_partner = "aim_v2_text"};
}

}  // namespace conopa::arch

// Plain VisionLLaMA: SwiGLU blocks with two-dimensional RoPE (arXiv 2403.00522, sections 3 and 4).

#include "arch/families/families.h"
#include "conopa/core/error.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "visionllama";
constexpr std::int64_t kHeadDim = 64;

// Released masked auto-encoders: no layer scale, class token behind the blocks, biased
// feed-forward.
void make_mae(EncoderSpec& spec, std::string_view preset) {
  spec.layer_scale = 0.0;
  spec.mlp_bias = true;
  spec.class_token = ClassToken::kLate;
  spec.num_classes = 0;
  spec.decoder = Decoder::kMae;
  spec.weight_init = WeightInit::kXavier;
  spec.drop_path_branches = DropBranches::kAttention;
  // The released code widens the hidden layer twice: int(4·dim·8/3), rounded up to 256.
  if (preset.find("released") != std::string_view::npos) spec.mlp_ratio = 16.0;
}

EncoderSpec make(std::string_view preset) {
  EncoderSpec spec;
  spec.family = kName;
  spec.remainder = Remainder::kPad;
  spec.class_token = ClassToken::kFront;
  spec.position = Position::kNone;
  spec.rotary = Rotary::kPlane;
  spec.rope_scaling = RopeScaling::kAnchor;
  spec.mask = Mask::kBidirectional;
  spec.norm = Norm::kLayer;
  spec.layer_scale = 1e-4;
  spec.drop_path_shape = DropShape::kConstant;
  set_standard_size(spec, preset);
  if (preset.find("_mae") != std::string_view::npos) make_mae(spec, preset);
  return spec;
}

// What released weights were trained with.
void set_released_rules(EncoderSpec& spec) {
  spec.rope_scaling = RopeScaling::kNone;
  spec.rope_grid = RopeGrid::kOfficial;
}

std::string block0(std::string_view layer, std::string_view what) {
  return names::block(0, layer) + std::string(what);
}

void read_switches(EncoderSpec& spec, const ForeignView& view) {
  spec.mlp = view.has(block0(names::kGate, ".weight")) ? Mlp::kSwiglu : Mlp::kGelu;
  spec.mlp_bias = view.has(block0(names::kUp, ".bias"));
  spec.qkv_bias = view.has(block0(names::kQkv, ".bias"));
  spec.proj_bias = view.has(block0(names::kProj, ".bias"));
  spec.norm = view.has(block0(names::kNorm1, ".bias")) ? Norm::kLayer : Norm::kRms;
  // Absent layer scales count as 1, which is what a block without them computes.
  if (!view.has(block0(names::kScale1, ""))) spec.layer_scale = 0.0;
  const bool token = view.has(names::kClassToken);
  spec.class_token = token ? ClassToken::kFront : ClassToken::kNone;
  spec.read_out = token ? ReadOut::kToken : ReadOut::kMeanNorm;
  if (view.has(names::kMaskToken)) make_mae(spec, "");
  // The blocks with biased feed-forward layers are those of the masked auto-encoders.
  if (spec.mlp == Mlp::kSwiglu && spec.mlp_bias) spec.drop_path_branches = DropBranches::kAttention;
  if (view.has(std::string(names::kHeadNorm) + ".running_mean")) {
    spec.head_norm = HeadNorm::kBatch;
  }
}

// Fills the image size from a stored position embedding, used or not; 224 px without one.
void read_positions(EncoderSpec& spec, const ForeignView& view) {
  spec.height = spec.width = 224;
  const bool used = view.has(names::kPosition) && !view.ignores(names::kPosition);
  const Shape* position = view.shape(names::kDecoderPosition);
  if (position == nullptr) position = view.shape(names::kPosition);
  if (position == nullptr || position->size() != 3) return;
  if (used) spec.position = Position::kLearned;
  for (const std::int64_t front : {1, 0}) {
    const std::optional<std::int64_t> side = square_side((*position)[1] - front);
    if (!side) continue;
    spec.height = spec.width = *side * spec.patch;
    spec.position_spare_row = used && front == 1 && !spec.has_class_token();
    return;
  }
  if (!used) return;  // the statement of a size is enough
  throw FormatError("import",
                    "expected a square grid of patches, found a position embedding of {} rows; "
                    "give height and width",
                    (*position)[1]);
}

bool read_decoder(EncoderSpec& spec, const ForeignView& view) {
  constexpr std::int64_t kDecoderHeadDim = 32;
  const Shape* embed = view.shape(std::string(names::kDecoderEmbed) + ".weight");
  const auto layer = [](std::int64_t block, std::string_view name) {
    return names::decoder_block(block) + "." + std::string(name) + ".weight";
  };
  const Shape* up = view.shape(layer(0, names::kUp));
  if (embed == nullptr || embed->size() != 2 || up == nullptr || up->size() != 2) return false;
  const std::int64_t width = (*embed)[0];
  if (width < 1) return false;
  spec.decoder_dim = width;
  spec.decoder_heads = width % kDecoderHeadDim == 0 ? width / kDecoderHeadDim : 1;
  spec.decoder_mlp_ratio = static_cast<double>((*up)[0]) / static_cast<double>(width);
  spec.decoder_depth = 0;
  while (view.has(layer(spec.decoder_depth, names::kQkv))) ++spec.decoder_depth;
  return true;
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  if (tensors.contains(kPatchNormWeight)) return std::nullopt;
  const std::string down = block0(names::kDown, ".weight");
  const auto view =
      find_view(family(kName), tensors, {std::string(names::kPatchWeight), down},
                {std::string(names::kHead) + ".weight", std::string(names::kFinalNorm) + ".weight",
                 std::string(names::kMaskToken), block0(names::kUp, ".weight")});
  if (!view) return std::nullopt;
  const Shape* patch = view->shape(names::kPatchWeight);
  const Shape* hidden = view->shape(down);
  if (patch->size() != 4 || (*patch)[2] != (*patch)[3] || hidden->size() != 2) return std::nullopt;
  EncoderSpec spec = make("");
  read_switches(spec, *view);
  // A ViT is this without the third matrix and without layer scale, but with positions.
  if (spec.mlp == Mlp::kGelu && spec.layer_scale == 0.0 && view->has(names::kPosition)) {
    return std::nullopt;
  }
  set_released_rules(spec);
  spec.dim = (*patch)[0];
  spec.channels = (*patch)[1];
  spec.patch = (*patch)[2];
  spec.mlp_hidden = (*hidden)[1];
  spec.heads = spec.dim % kHeadDim == 0 ? spec.dim / kHeadDim : 1;
  spec.depth = 0;
  while (view->has(names::block(spec.depth, names::kQkv) + ".weight")) ++spec.depth;
  if (spec.depth == 0) return std::nullopt;
  spec.num_classes = read_classes(*view);
  read_positions(spec, *view);
  if (spec.decoder == Decoder::kMae && !read_decoder(spec, *view)) return std::nullopt;
  return spec;
}

// The released one-dimensional class stores a class token and positions that it never reads.
std::vector<std::string> doubts(const EncoderSpec& guess) {
  std::vector<std::string> out;
  if (guess.class_token == ClassToken::kFront && guess.position == Position::kLearned) {
    out.emplace_back(
        "cls_token and pos_embed are read as class token and learned positions; if the model is "
        "the one-dimensional one (VisionTransformerRotate), which uses neither, give --set "
        "rotary=line --set read_out=mean --set class_token=none --set position=none --partial");
  }
  if (guess.rotary == Rotary::kPlane && guess.rope_scaling == RopeScaling::kNone &&
      guess.decoder == Decoder::kNone) {
    out.emplace_back(
        "rotary coordinates are not scaled to the image size; for AS2DRoPE give "
        "--set rope_scaling=anchor --set rope_anchor=224");
  }
  return out;
}

std::vector<RenameRule> mmpretrain_layers() {
  constexpr std::string_view kDecoder = "decoder.";
  return {{".mlp.up.", ".ffn.layers.0.0.", kDecoder},
          {".mlp.down.", ".ffn.layers.1.", kDecoder},
          {".norm1.", ".ln1."},
          {".norm2.", ".ln2."},
          {".mlp.gate.", ".ffn.w12."},
          {".mlp.up.", ".ffn.w12."},
          {".mlp.down.", ".ffn.w3."},
          {"patch_embed.proj.", "patch_embed.projection."}};
}

// The block of the masked auto-encoders: fused gate and value, no layer scale.
bool has_mmpretrain_blocks(const EncoderSpec& spec) {
  return spec.mlp == Mlp::kSwiglu && spec.mlp_bias && spec.layer_scale == 0.0;
}

bool is_mae(const EncoderSpec& spec) {
  return has_mmpretrain_blocks(spec) && spec.decoder == Decoder::kMae;
}

bool is_finetune(const EncoderSpec& spec) {
  return has_mmpretrain_blocks(spec) && spec.decoder == Decoder::kNone &&
         spec.class_token == ClassToken::kNone && spec.head_norm == HeadNorm::kNone;
}

bool is_probe(const EncoderSpec& spec) {
  return has_mmpretrain_blocks(spec) && spec.decoder == Decoder::kNone &&
         spec.class_token == ClassToken::kNone && spec.head_norm == HeadNorm::kBatch;
}

NamingScheme mmpretrain(std::string_view name, std::string_view final_norm, std::string_view head,
                        bool (*serves)(const EncoderSpec&)) {
  return {.name = name,
          .replace = mmpretrain_layers(),
          .begin = {{"decoder.blocks.", "neck.decoder_blocks."},
                    {"decoder.embed.", "neck.decoder_embed."},
                    {"decoder.mask_token", "neck.mask_token"},
                    {"decoder.pos_embed", "neck.decoder_pos_embed"},
                    {"decoder.norm.", "neck.ln1."},
                    {"decoder.pred.", "neck.decoder_pred."},
                    {"head_norm.", "neck.bn."},
                    {"head.", head},
                    {"norm.", final_norm},
                    {"blocks.", "backbone.layers."},
                    {"cls_token", "backbone.cls_token"},
                    {"pos_embed", "backbone.pos_embed"},
                    {"patch_embed.", "backbone.patch_embed."}},
          .ignored = {"backbone.pos_embed", "data_preprocessor."},
          .serves = serves};
}

std::vector<Preset> presets() {
  return {
      {"visionllama_small_patch16_224", "22.0 M parameters; 81.6 % ImageNet-1K top-1 in the paper"},
      {"visionllama_base_patch16_224", "86.4 M parameters; 83.6 % in the paper"},
      {"visionllama_large_patch16_224", "310 M parameters; 84.6 % in the paper"},
      {"visionllama_base_patch16_mae_paper",
       "masked auto-encoder, hidden width 2048 as the paper describes it"},
      {"visionllama_base_patch16_mae_released",
       "masked auto-encoder, hidden width 8192 as in the released weights; fine-tuned 84.3 % in "
       "the "
       "paper"},
      {"visionllama_large_patch16_mae_paper",
       "masked auto-encoder, hidden width 2816 as the paper describes it"},
      {"visionllama_large_patch16_mae_released",
       "masked auto-encoder, hidden width 11008 as in the released weights; fine-tuned 85.5 % in "
       "the paper"}};
}

std::vector<NamingScheme> schemes() {
  std::vector<NamingScheme> all = official_visionllama_schemes();
  all.push_back(mmpretrain("mmpretrain_mae", "backbone.ln1.", "head.fc.", is_mae));
  all.push_back(mmpretrain("mmpretrain_finetune", "backbone.ln2.", "head.fc.", is_finetune));
  all.push_back(mmpretrain("mmpretrain_probe", "backbone.ln2.", "head.layers.head.", is_probe));
  return all;
}

}  // namespace

Family visionllama_family() {
  return {.name = kName,
          .summary = "plain LLaMA encoder with two-dimensional RoPE and AS2DRoPE",
          .presets = presets(),
          .make = make,
          .schemes = schemes(),
          .infer = infer,
          .doubts = doubts};
}

}  // namespace conopa::arch

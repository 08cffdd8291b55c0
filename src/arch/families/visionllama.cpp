// Plain VisionLLaMA: SwiGLU blocks with two-dimensional RoPE (arXiv 2403.00522, sections 3 and 4).

#include <cmath>

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

// The image size follows from a stored position embedding, used or not; 224 px without one.
void read_image_size(EncoderSpec& spec, const ForeignView& view) {
  const Shape* position = view.shape(names::kDecoderPosition);
  if (position == nullptr) position = view.shape(names::kPosition);
  if (position == nullptr || position->size() != 3) return;
  for (const std::int64_t front : {1, 0}) {
    const std::int64_t patches = (*position)[1] - front;
    const auto side =
        static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(patches))));
    if (patches < 1 || side * side != patches) continue;
    spec.height = spec.width = side * spec.patch;
    return;
  }
}

void read_switches(EncoderSpec& spec, const ForeignView& view) {
  const auto block0 = [](std::string_view layer, std::string_view what) {
    return names::block(0, layer) + std::string(what);
  };
  spec.mlp = view.has(block0(names::kGate, ".weight")) ? Mlp::kSwiglu : Mlp::kGelu;
  spec.mlp_bias = view.has(block0(names::kUp, ".bias"));
  spec.qkv_bias = view.has(block0(names::kQkv, ".bias"));
  spec.norm = view.has(block0(names::kNorm1, ".bias")) ? Norm::kLayer : Norm::kRms;
  // Absent layer scales count as 1, which is what a block without them computes.
  if (!view.has(block0(names::kScale1, ""))) spec.layer_scale = 0.0;
  const bool token = view.has(names::kClassToken);
  spec.class_token = token ? ClassToken::kFront : ClassToken::kNone;
  spec.read_out = token ? ReadOut::kToken : ReadOut::kMeanNorm;
  if (view.has(names::kMaskToken)) make_mae(spec, "");
  if (view.has(std::string(names::kHeadNorm) + ".running_mean")) {
    spec.head_norm = HeadNorm::kBatch;
  }
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const std::string down = names::block(0, names::kDown) + ".weight";
  const auto view = find_view(family(kName), tensors, {std::string(names::kPatchWeight), down});
  if (!view) return std::nullopt;
  const Shape* patch = view->shape(names::kPatchWeight);
  const Shape* hidden = view->shape(down);
  if (patch->size() != 4 || (*patch)[2] != (*patch)[3] || hidden->size() != 2) return std::nullopt;
  EncoderSpec spec = make("");
  // A ViT is this without the third matrix and without layer scale, but with positions.
  read_switches(spec, *view);
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
  const Shape* head = view->shape(std::string(names::kHead) + ".weight");
  spec.num_classes = head != nullptr && head->size() == 2 ? (*head)[0] : 0;
  spec.height = spec.width = 224;
  read_image_size(spec, *view);
  if (spec.decoder == Decoder::kMae) {
    const Shape* embed = view->shape(std::string(names::kDecoderEmbed) + ".weight");
    if (embed == nullptr || embed->size() != 2) return std::nullopt;
    spec.decoder_dim = (*embed)[0];
    spec.decoder_depth = 0;
    while (view->has(names::decoder_block(spec.decoder_depth) + "." + std::string(names::kQkv) +
                     ".weight")) {
      ++spec.decoder_depth;
    }
  }
  return spec;
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

NamingScheme mmpretrain(std::string_view name, std::string_view final_norm, std::string_view head) {
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
          .ignored = {"backbone.pos_embed", "data_preprocessor."}};
}

}  // namespace

Family visionllama_family() {
  const RenameRule gamma1{".ls1", ".gamma_1"};
  const RenameRule gamma2{".ls2", ".gamma_2"};
  return {
      .name = kName,
      .summary = "plain LLaMA encoder with two-dimensional RoPE and AS2DRoPE",
      .presets = {{"visionllama_small_patch16_224",
                   "22.0 M parameters; 81.6 % ImageNet-1K top-1 in "
                   "the paper"},
                  {"visionllama_base_patch16_224", "86.4 M parameters; 83.6 % in the paper"},
                  {"visionllama_large_patch16_224", "310 M parameters; 84.6 % in the paper"},
                  {"visionllama_base_patch16_mae_paper",
                   "masked auto-encoder, hidden width 2048 as in "
                   "the paper"},
                  {"visionllama_base_patch16_mae_released",
                   "masked auto-encoder, hidden width 8192 as "
                   "in the released weights"},
                  {"visionllama_large_patch16_mae_paper", "masked auto-encoder, hidden width 2816"},
                  {"visionllama_large_patch16_mae_released",
                   "masked auto-encoder, hidden width 11008 "
                   "as in the released weights"}},
      .make = make,
      .schemes = {{"official",
                   {gamma1,
                    gamma2,
                    {".mlp.gate.", ".mlp.c_fc1."},
                    {".mlp.up.", ".mlp.c_fc2."},
                    {".mlp.down.", ".mlp.c_proj."}}},
                  {"official_gelu",
                   {gamma1, gamma2, {".mlp.up.", ".mlp.fc1."}, {".mlp.down.", ".mlp.fc2."}}},
                  mmpretrain("mmpretrain_mae", "backbone.ln1.", "head.fc."),
                  mmpretrain("mmpretrain_finetune", "backbone.ln2.", "head.fc."),
                  mmpretrain("mmpretrain_probe", "backbone.ln2.", "head.layers.head.")},
      .infer = infer};
}

}  // namespace conopa::arch

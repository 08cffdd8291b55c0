// Pyramid VisionLLaMA: four stages of alternating window and global attention after Twins-SVT
// (arXiv 2403.00522, section 3.3).

#include <array>

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "visionllama_pyramid";
constexpr std::int64_t kHeadDim = 32;
constexpr std::int64_t kWindow = 7;

using Four = std::vector<std::int64_t>;

struct Size {
  std::string_view word;
  Four dims, depths, heads;
};

const std::array<Size, 3>& sizes() {
  static const std::array<Size, 3> all{
      {{"small", {64, 128, 256, 512}, {2, 2, 10, 4}, {2, 4, 8, 16}},
       {"base", {96, 192, 384, 768}, {2, 2, 18, 2}, {3, 6, 12, 24}},
       {"large", {128, 256, 512, 1024}, {2, 2, 18, 2}, {4, 8, 16, 32}}}};
  return all;
}

EncoderSpec make(std::string_view preset) {
  EncoderSpec spec;
  spec.family = kName;
  spec.patch = 4;
  spec.remainder = Remainder::kPad;
  spec.patch_norm = true;
  spec.stage_windows = Four(4, kWindow);
  spec.stage_reductions = {8, 4, 2, 1};
  for (const Size& size : sizes()) {
    if (preset.find(size.word) == std::string_view::npos) continue;
    spec.stage_dims = size.dims;
    spec.stage_depths = size.depths;
    spec.stage_heads = size.heads;
  }
  spec.class_token = ClassToken::kNone;
  spec.position = Position::kNone;
  spec.rotary = Rotary::kPlane;
  spec.rope_scaling = RopeScaling::kAnchor;
  spec.mask = Mask::kBidirectional;
  spec.norm = Norm::kLayer;
  spec.norm_eps = 1e-5;
  spec.layer_scale = 1e-4;
  spec.read_out = ReadOut::kMeanNorm;
  spec.conv_init = ConvInit::kFanOut;
  return spec;
}

// What released weights were trained with.
void set_released_rules(EncoderSpec& spec) {
  spec.rope_scaling = RopeScaling::kNone;
  spec.rope_grid = RopeGrid::kOfficial;
  spec.rope_keys = RopeKeys::kOfficial;
  spec.rope_ntk_acts_on = RopeNtk::kQueries;
  spec.window_padding = WindowPadding::kAttended;
  spec.read_out = ReadOut::kNormMeanNorm;
}

std::string layer_of(std::int64_t stage, std::int64_t block, std::string_view layer) {
  return names::stage_block(stage, block) + "." + std::string(layer);
}

// Fills one stage's values; false if the checkpoint has no such stage.
bool read_stage(EncoderSpec& spec, const ForeignView& view, std::int64_t stage) {
  const Shape* patch = view.shape(names::stage_patch_proj(stage) + ".weight");
  if (patch == nullptr || patch->size() != 4) return false;
  std::int64_t depth = 0;
  while (view.has(layer_of(stage, depth, names::kNorm1) + ".weight")) ++depth;
  const Shape* down = view.shape(layer_of(stage, 0, names::kDown) + ".weight");
  if (depth == 0 || down == nullptr || down->size() != 2) return false;
  const Shape* pool = view.shape(layer_of(stage, 1, names::kPool) + ".weight");
  const std::int64_t dim = (*patch)[0];
  if (stage == 0) {
    spec.channels = (*patch)[1];
    spec.patch = (*patch)[2];
  } else {
    spec.stage_patch = (*patch)[2];
  }
  spec.stage_dims.push_back(dim);
  spec.stage_depths.push_back(depth);
  spec.stage_heads.push_back(dim % kHeadDim == 0 ? dim / kHeadDim : 1);
  spec.stage_hidden.push_back((*down)[1]);
  spec.stage_reductions.push_back(pool != nullptr && pool->size() == 4 ? (*pool)[2] : 1);
  spec.stage_windows.push_back(kWindow);
  return true;
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const auto view =
      find_view(family(kName), tensors,
                {names::stage_patch_proj(0) + ".weight", layer_of(0, 0, names::kDown) + ".weight"},
                {layer_of(0, 0, names::kUp) + ".weight", layer_of(0, 0, names::kScale1)});
  if (!view) return std::nullopt;
  EncoderSpec spec = make("small");
  for (std::vector<std::int64_t>* list :
       {&spec.stage_dims, &spec.stage_depths, &spec.stage_heads, &spec.stage_hidden,
        &spec.stage_reductions, &spec.stage_windows}) {
    list->clear();
  }
  for (std::int64_t stage = 0; view->has(names::stage_patch_proj(stage) + ".weight"); ++stage) {
    if (!read_stage(spec, *view, stage)) return std::nullopt;
  }
  set_released_rules(spec);
  const auto block0 = [](std::string_view layer) { return layer_of(0, 0, layer); };
  spec.mlp = view->has(block0(names::kGate) + ".weight") ? Mlp::kSwiglu : Mlp::kGelu;
  spec.mlp_bias = view->has(block0(names::kUp) + ".bias");
  spec.norm = view->has(block0(names::kNorm1) + ".bias") ? Norm::kLayer : Norm::kRms;
  spec.qkv_bias = view->has(block0(names::kQkv) + ".bias");
  spec.proj_bias = view->has(block0(names::kProj) + ".bias");
  spec.patch_norm = view->has(names::patch_norm(spec, 0) + ".weight");
  // Absent layer scales count as 1, which is what a block without them computes.
  if (!view->has(block0(names::kScale1))) spec.layer_scale = 0.0;
  spec.num_classes = read_classes(*view);
  return spec;
}

std::vector<std::string> doubts(const EncoderSpec& guess) {
  std::vector<std::string> out{
      "windows of side 7 and the released code's key coordinates are assumed; others: --set "
      "stage_windows=[...], --set rope_keys=paper"};
  if (guess.rope_scaling == RopeScaling::kNone) {
    out.emplace_back(
        "rotary coordinates are not scaled to the image size; for AS2DRoPE give --set "
        "rope_scaling=anchor --set rope_anchor=224, for the released auto_scale --set "
        "rope_scaling=official14");
  }
  return out;
}

}  // namespace

Family visionllama_pyramid_family() {
  return {
      .name = kName,
      .summary = "four-stage LLaMA encoder with window and global attention",
      .presets = {{"visionllama_pyramid_small_224",
                   "25.9 M parameters (24 M in the paper); 81.6 % ImageNet-1K top-1 in the paper"},
                  {"visionllama_pyramid_base_224", "56.0 M parameters; 83.2 % in the paper"},
                  {"visionllama_pyramid_large_224",
                   "105 M parameters (99 M in the paper); 83.6 % in the paper"}},
      .make = make,
      .schemes = official_visionllama_schemes(),
      .infer = infer,
      .doubts = doubts};
}

}  // namespace conopa::arch

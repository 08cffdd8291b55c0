// What AIM and AIMv2 share.

#include <numeric>

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

constexpr std::int64_t kHeadDim = 128;
constexpr std::int64_t kProbedBlocks = 6;

std::string block0(std::string_view layer, std::string_view what) {
  return names::block(0, layer) + std::string(what);
}

void read_positions(EncoderSpec& spec, const ForeignView& view) {
  const Shape* position = view.shape(names::kPosition);
  spec.position = Position::kSinCosComputed;
  if (position == nullptr || position->size() < 2) return;
  if (!view.ignores(names::kPosition)) spec.position = Position::kLearned;
  if (const auto side = square_side((*position)[position->size() - 2])) {
    spec.height = spec.width = *side * spec.patch;
  }
}

void read_head(EncoderSpec& spec, const ForeignView& view) {
  const std::string head(names::kHead);
  spec.num_classes = read_classes(view);
  if (spec.num_classes > 0) spec.head_bias = view.has(head + ".bias");
  const Shape* projection = view.shape(std::string(names::kProjection) + ".weight");
  spec.projection = projection != nullptr && projection->size() == 2 ? (*projection)[0] : 0;
  if (view.has(std::string(names::kHeadNorm) + ".running_mean")) spec.head_norm = HeadNorm::kBatch;
  const Shape* queries = view.shape(names::kPoolQueries);
  if (queries == nullptr || queries->size() != 3) return;
  spec.read_out = ReadOut::kAttention;
  spec.pool_queries = (*queries)[1];
  spec.pool_bias = view.has(std::string(names::kPoolKey) + ".bias");
}

void read_decoder(EncoderSpec& spec, const ForeignView& view) {
  const Shape* embed = view.shape(std::string(names::kDecoderEmbed) + ".weight");
  if (embed == nullptr || embed->size() != 2) return;
  make_next_patch(spec);
  const auto layer = [](std::string_view name) {
    return names::decoder_block(0) + "." + std::string(name);
  };
  spec.decoder_dim = (*embed)[0];
  spec.decoder_bias = view.has(std::string(names::kDecoderEmbed) + ".bias");
  spec.decoder_depth = 0;
  while (view.has(names::decoder_block(spec.decoder_depth) + "." + std::string(names::kNorm2) +
                  ".weight")) {
    ++spec.decoder_depth;
  }
  spec.decoder_heads = spec.decoder_dim % kHeadDim == 0 ? spec.decoder_dim / kHeadDim : 1;
  spec.decoder_mixer = view.has(layer(names::kQkv) + ".weight")     ? Mixer::kAttention
                       : view.has(layer(names::kNorm1) + ".weight") ? Mixer::kIdentity
                                                                    : Mixer::kNone;
  const Shape* hidden = view.shape(layer(names::kUp) + ".weight");
  if (hidden != nullptr && hidden->size() == 2 && spec.mlp == Mlp::kGelu) {
    spec.decoder_mlp_ratio =
        static_cast<double>((*hidden)[0]) / static_cast<double>(spec.decoder_dim);
  }
  const Shape* out = view.shape(std::string(names::kDecoderOut) + ".weight");
  if (out != nullptr && (*out)[0] != spec.patch * spec.patch * spec.channels) {
    spec.decoder_outputs = (*out)[0];
  }
  const Shape* words = view.shape(std::string(names::kDecoderTokenEmbed) + ".weight");
  const Shape* places = view.shape(names::kDecoderTokenPosition);
  if (words == nullptr || words->size() != 2 || places == nullptr || places->size() < 2) return;
  spec.decoder = Decoder::kCaption;
  spec.decoder_vocabulary = (*words)[0];
  spec.decoder_context = (*places)[places->size() - 2] - 1;
}

}  // namespace

EncoderSpec aim_common(std::string_view family) {
  EncoderSpec spec;
  spec.family = family;
  spec.patch = 14;
  spec.patch_norm = true;
  spec.class_token = ClassToken::kNone;
  spec.position = Position::kSinCosComputed;
  spec.rotary = Rotary::kNone;
  spec.mask = Mask::kBidirectional;
  spec.qkv_bias = spec.proj_bias = spec.mlp_bias = false;
  spec.read_out = ReadOut::kMean;
  spec.weight_init = WeightInit::kXavierPlain;
  return spec;
}

void make_next_patch(EncoderSpec& spec) {
  spec.mask = Mask::kPrefixCausal;
  spec.num_classes = spec.projection = 0;
  spec.head_norm = HeadNorm::kNone;
  spec.read_out = ReadOut::kMean;
  spec.read_blocks = {};
  spec.decoder = Decoder::kNextPatch;
  spec.decoder_dim = 2048;
  spec.decoder_depth = 12;
  spec.decoder_heads = 16;
}

bool read_aim_shapes(EncoderSpec& spec, const ForeignView& view) {
  const Shape* patch = view.shape(names::kPatchWeight);
  const Shape* up = view.shape(block0(names::kUp, ".weight"));
  if (patch == nullptr || patch->size() != 4 || up == nullptr || up->size() != 2) return false;
  spec.dim = (*patch)[0];
  spec.channels = (*patch)[1];
  spec.patch = (*patch)[2];
  spec.height = spec.width = 224 / spec.patch * spec.patch;
  spec.mlp_hidden = (*up)[0];
  spec.heads = spec.dim % kHeadDim == 0 ? spec.dim / kHeadDim : 1;
  spec.depth = 0;
  while (view.has(names::block(spec.depth, names::kNorm1) + ".weight")) ++spec.depth;
  spec.mlp = view.has(block0(names::kGate, ".weight")) ? Mlp::kSwiglu : Mlp::kGelu;
  spec.norm = view.has(block0(names::kNorm1, ".bias")) ? Norm::kLayer : Norm::kRms;
  spec.qkv_bias = view.has(block0(names::kQkv, ".bias"));
  spec.proj_bias = view.has(block0(names::kProj, ".bias"));
  spec.mlp_bias = view.has(block0(names::kUp, ".bias"));
  const Shape* lora = view.shape(block0(names::kProjLora, "_A"));
  spec.lora_rank = lora != nullptr && lora->size() == 2 ? (*lora)[0] : 0;
  read_positions(spec, view);
  spec.read_blocks.clear();
  if (spec.norm == Norm::kLayer) {  // AIM reads the average of the last blocks, AIMv2 the norm
    spec.read_blocks.resize(static_cast<std::size_t>(std::min(kProbedBlocks, spec.depth)));
    std::iota(spec.read_blocks.begin(), spec.read_blocks.end(),
              spec.depth - std::ssize(spec.read_blocks));
  }
  read_head(spec, view);
  read_decoder(spec, view);
  return spec.depth > 0;
}

}  // namespace conopa::arch

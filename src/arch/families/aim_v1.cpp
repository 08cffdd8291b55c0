// AIM: autoregressive pre-training on pixels (arXiv 2401.08541).

#include <array>
#include <numeric>

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "aim_v1";

struct Size {
  std::string_view word;
  std::int64_t dim, depth, heads;
  std::int64_t probed;  ///< first of the six blocks with the best published probe
};
constexpr std::array<Size, 6> kSizes{{{"tiny", 192, 12, 3, 6},
                                      {"small", 384, 12, 3, 6},
                                      {"600m", 1536, 24, 12, 14},
                                      {"1b", 2048, 24, 16, 12},
                                      {"3b", 3072, 24, 24, 12},
                                      {"7b", 4096, 32, 32, 14}}};
constexpr std::int64_t kProbedBlocks = 6;

EncoderSpec make(std::string_view preset) {
  EncoderSpec spec = aim_common(kName);
  spec.norm = Norm::kLayer;
  spec.mlp = Mlp::kGelu;
  spec.mlp_multiple_of = 1;
  spec.head_norm = HeadNorm::kBatch;
  spec.head_bias = false;
  spec.read_out = ReadOut::kAttention;
  for (const Size& size : kSizes) {
    if (preset.find(size.word) == std::string_view::npos) continue;
    spec.dim = size.dim;
    spec.depth = size.depth;
    spec.heads = size.heads;
    spec.read_blocks.resize(kProbedBlocks);
    std::iota(spec.read_blocks.begin(), spec.read_blocks.end(), size.probed);
  }
  if (preset.ends_with("_pretrain")) {
    make_next_patch(spec);
    spec.norm_eps = 1e-5;
  }
  return spec;
}

bool is_released(const EncoderSpec& spec) {
  return spec.mlp == Mlp::kGelu && spec.position == Position::kSinCosComputed &&
         (spec.decoder == Decoder::kNone ||
          (spec.decoder == Decoder::kNextPatch && spec.decoder_mixer == Mixer::kNone));
}

bool is_training(const EncoderSpec& spec) {
  return spec.mlp == Mlp::kGelu && spec.position == Position::kSinCosComputed &&
         spec.lora_rank == 0 && spec.num_classes == 0 && spec.decoder != Decoder::kCaption &&
         spec.decoder_mixer != Mixer::kNone;
}

std::vector<NamingScheme> schemes() {
  const RenameRule norm1{".norm1.", ".norm_1."};
  const RenameRule norm2{".norm2.", ".norm_2."};
  const RenameRule up{".mlp.up.", ".mlp.fc1."};
  const RenameRule down{".mlp.down.", ".mlp.fc2."};
  const RenameRule blocks{"blocks.", "trunk.blocks."};
  const RenameRule norm{"norm.", "trunk.post_trunk_norm."};
  return {{.name = "official",
           .replace = {norm1, {".norm2.", ".norm.", "decoder."}, norm2, up, down},
           .begin = {blocks,
                     norm,
                     {"patch_embed.", "preprocessor.patchifier."},
                     {"head_norm.", "head.bn."},
                     {"head.queries", "head.cls_token"},
                     {"head.weight", "head.linear.weight"},
                     {"head.bias", "head.linear.bias"},
                     {"decoder.embed.", "head.proj."},
                     {"decoder.", "head."}},
           .ignored = {"*.attn.attn_mask"},
           .serves = is_released},
          {.name = "l3m",
           .replace = {norm1, norm2, up, down},
           .begin = {blocks,
                     norm,
                     {"pos_embed", "preprocessor.blocks.0.pos_embed"},
                     {"patch_embed.", "preprocessor.blocks.0.patchifier."},
                     {"decoder.pos_embed", "head.decoder_pos_embed"},
                     {"decoder.embed.", "head.decoder_projection."},
                     {"decoder.blocks.", "head.decoder_blocks."},
                     {"decoder.norm.", "head.decoder_norm."},
                     {"decoder.pred.", "head.decoder_pred."}},
           .ignored = {"preprocessor.blocks.0.pos_embed", "head.decoder_pos_embed"},
           .joins = {{".attn.qkv.weight",
                      {".attn.q_proj.weight", ".attn.k_proj.weight", ".attn.v_proj.weight"}}},
           .serves = is_training}};
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const auto view = find_view(
      family(kName), tensors,
      {std::string(names::kPatchWeight), std::string(kPatchNormWeight),
       names::block(0, names::kNorm1) + ".bias", names::block(0, names::kUp) + ".weight"},
      {names::block(0, names::kQkv) + ".weight", std::string(names::kDecoderOut) + ".weight"});
  if (!view) return std::nullopt;
  EncoderSpec spec = make("");
  spec.head_norm = HeadNorm::kNone;
  spec.read_out = ReadOut::kMean;
  if (!read_aim_shapes(spec, *view)) return std::nullopt;
  if (view->scheme() == "l3m") spec.norm_eps = 1e-5;
  return spec;
}

std::vector<std::string> doubts(const EncoderSpec& guess) {
  if (guess.read_blocks.empty()) return {};
  return {
      "the average of the last 6 blocks is read; heads trained on the best layers need --set "
      "read_blocks=[14,15,16,17,18,19] (600M, 7B) or [12,13,14,15,16,17] (1B, 3B)"};
}

}  // namespace

Family aim_v1_family() {
  return {.name = kName,
          .summary = "AIM: pre-trained to predict the next patch, read by an attentive probe",
          .presets = {{"aim_tiny_patch14_224", "5.5 M parameters, for experiments on a CPU"},
                      {"aim_small_patch14_224", "21.7 M parameters, for experiments on a CPU"},
                      {"aim_600m_patch14_224",
                       "681 M parameters; 79.4 % ImageNet-1K top-1 of a probe in the paper"},
                      {"aim_1b_patch14_224", "1.21 B parameters; 82.3 % in the paper"},
                      {"aim_3b_patch14_224", "2.72 B parameters; 83.3 % in the paper"},
                      {"aim_7b_patch14_224", "6.45 B parameters; 84.0 % in the paper"},
                      {"aim_tiny_patch14_224_pretrain", "pre-training of the tiny model"},
                      {"aim_small_patch14_224_pretrain", "pre-training of the small model"},
                      {"aim_600m_patch14_224_pretrain", "pre-training, with 407 M of pixel head"},
                      {"aim_1b_patch14_224_pretrain", "pre-training of AIM-1B"},
                      {"aim_3b_patch14_224_pretrain", "pre-training of AIM-3B"},
                      {"aim_7b_patch14_224_pretrain", "pre-training of AIM-7B"}},
          .make = make,
          .schemes = schemes(),
          .infer = infer,
          .doubts = doubts};
}

}  // namespace conopa::arch

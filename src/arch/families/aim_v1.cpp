// AIM: autoregressive pre-training on pixels (arXiv 2401.08541).

#include <algorithm>
#include <array>
#include <numeric>

#include "arch/families/families.h"
#include "arch/families/hub_config.h"
#include "conopa/arch/init.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "aim_v1";

struct Size {
  std::string_view word;
  std::int64_t dim, depth, heads;
  std::int64_t probed;  ///< first of the six blocks with the best published probe
  bool published = true;
};
constexpr std::array<Size, 6> kSizes{{{"tiny", 192, 12, 3, 6, false},
                                      {"small", 384, 12, 3, 6, false},
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

// The training code stores its fixed positions.
std::vector<std::pair<std::string, HostTensor>> stored_positions(const EncoderSpec& spec) {
  const auto table = [&spec](std::int64_t width) {
    const std::vector<float> values =
        sincos_table(spec.grid_rows(), spec.grid_cols(), width, SinCosOrder::kColumnFirst);
    return HostTensor::of<float>(DType::kF32, {1, spec.num_patches(), width}, std::span(values));
  };
  std::vector<std::pair<std::string, HostTensor>> out{
      {"preprocessor.blocks.0.pos_embed", table(spec.dim)}};
  if (spec.decoder == Decoder::kNextPatch && spec.decoder_depth > 0) {
    out.emplace_back("head.decoder_pos_embed", table(spec.decoder_dim));
  }
  return out;
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
           .serves = is_training,
           .derived = stored_positions}};
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
  std::vector<std::int64_t> last(guess.read_blocks.size());
  std::iota(last.begin(), last.end(), guess.depth - std::ssize(last));
  if (guess.read_blocks.empty() || guess.read_blocks != last) return {};
  return {
      "the average of the last 6 blocks is read; a head trained on the best layers needs --layers "
      "best"};
}

std::vector<std::int64_t> best_blocks(const EncoderSpec& spec) {
  for (const Size& size : kSizes) {
    if (!size.published || size.dim != spec.dim || size.depth != spec.depth) continue;
    std::vector<std::int64_t> out(kProbedBlocks);
    std::iota(out.begin(), out.end(), size.probed);
    return out;
  }
  return {};
}

// A number of blocks means the last ones; a released config without the field means the last six.
void take_probed(const HubConfig& config, EncoderSpec& guess) {
  const auto probed = config.integers("probe_layers");
  if (!probed) return;
  if (config.is_list("probe_layers")) {
    guess.read_blocks = *probed;
    return;
  }
  const std::int64_t count = std::clamp<std::int64_t>(probed->front(), 0, guess.depth);
  guess.read_blocks.resize(static_cast<std::size_t>(count));
  std::iota(guess.read_blocks.begin(), guess.read_blocks.end(), guess.depth - count);
}

bool configure(EncoderSpec& guess, const HubConfigFile& file) {
  const HubConfig config(file);
  if (!config.has("embed_dim") || !config.has("num_blocks")) return false;
  config.agree("embed_dim", guess.dim);
  config.agree("num_blocks", guess.depth);
  config.agree("patch_size", guess.patch);
  if (guess.num_classes > 0) config.agree("num_classes", guess.num_classes);
  config.take_heads("num_heads", guess);
  config.take_size("img_size", guess);
  if (guess.decoder == Decoder::kNone) take_probed(config, guess);
  return true;
}

ReleasedInput input(const EncoderSpec&) {
  return {.mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}, .crop_pct = 0.875};
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
          .doubts = doubts,
          .input = input,
          .configure = configure,
          .probed_blocks = kProbedBlocks,
          .best_blocks = best_blocks};
}

}  // namespace conopa::arch

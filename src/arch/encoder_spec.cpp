#include "conopa/arch/encoder_spec.h"

#include <cmath>

#include "conopa/core/fields_json.h"

namespace conopa::arch {
namespace {

constexpr std::int64_t kMaxSide = 1 << 16;
constexpr std::int64_t kMaxWidth = 1 << 20;

template <typename... Args>
void require(bool ok, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) throw ConfigError("model", format, std::forward<Args>(args)...);
}

void check_sizes(const EncoderSpec& s) {
  require(s.channels >= 1 && s.channels <= 1024, "channels must be 1..1024, got {}", s.channels);
  require(s.patch >= 1 && s.patch <= kMaxSide, "patch must be 1..{} px, got {}", kMaxSide, s.patch);
  require(s.height >= 1 && s.width >= 1 && s.height <= kMaxSide && s.width <= kMaxSide,
          "height and width must be 1..{} px, got {}x{}", kMaxSide, s.height, s.width);
  require(s.height % s.patch == 0 && s.width % s.patch == 0,
          "image size must be a multiple of the patch, got {}x{} with patch {}; set height and "
          "width to multiples of {}",
          s.height, s.width, s.patch, s.patch);
  require(s.dim >= 1 && s.dim <= kMaxWidth, "dim must be 1..{}, got {}", kMaxWidth, s.dim);
  require(s.depth >= 1 && s.depth <= 4096, "depth must be 1..4096, got {}", s.depth);
  require(s.heads >= 1 && s.dim % s.heads == 0, "heads must divide dim, got dim {} and {} heads",
          s.dim, s.heads);
  require(s.num_classes >= 0 && s.num_classes <= kMaxWidth,
          "num_classes must be 0 (no head) to {}, got {}", kMaxWidth, s.num_classes);
  require(s.mlp_hidden >= 1 && s.mlp_hidden <= 16 * kMaxWidth,
          "mlp_hidden must be 1..{}, got {}; check mlp_ratio and mlp_multiple_of", 16 * kMaxWidth,
          s.mlp_hidden);
}

void check_switches(const EncoderSpec& s) {
  require(s.rotary == Rotary::kNone || s.head_dim() % 2 == 0,
          "rotary positions need an even head width, got {} (dim {} / {} heads)", s.head_dim(),
          s.dim, s.heads);
  require(s.rope_theta > 0.0, "rope_theta must be positive, got {}", s.rope_theta);
  require(s.mask_rate >= 0.0 && s.mask_rate <= 1.0, "mask_rate must be 0..1, got {}", s.mask_rate);
  require(s.mask == Mask::kSoftCausal || s.mask_rate == 0.0,
          "mask_rate {} has a meaning for mask = \"soft_causal\" only; set one of them",
          s.mask_rate);
  require(s.norm_eps > 0.0 && s.norm_eps < 1.0, "norm_eps must be in (0, 1), got {}", s.norm_eps);
  require(s.drop_path >= 0.0 && s.drop_path < 1.0, "drop_path must be 0..1, got {}", s.drop_path);
  require(s.dropout >= 0.0 && s.dropout < 1.0, "dropout must be 0..1, got {}", s.dropout);
  require(s.layer_scale >= 0.0, "layer_scale must be 0 (off) or positive, got {}", s.layer_scale);
  require(s.read_out != ReadOut::kToken || s.has_class_token(),
          "read_out = \"token\" needs a class token; set class_token or read_out = \"mean\"");
  require(
      s.weight_bits >= 2 && s.weight_bits <= 8 && s.activation_bits >= 2 && s.activation_bits <= 8,
      "weight_bits and activation_bits must be 2..8, got {} and {}", s.weight_bits,
      s.activation_bits);
}

void check_features(const EncoderSpec& s) {
  for (const std::int64_t block : s.feature_blocks) {
    require(block >= 0 && block < s.depth, "feature_blocks must be 0..{}, got {}", s.depth - 1,
            block);
  }
  require(s.neck != Neck::kDeconvPyramid || s.feature_blocks.size() == 4,
          "neck = \"deconv_pyramid\" needs 4 feature_blocks, got {}", s.feature_blocks.size());
}

std::int64_t automatic_hidden(const EncoderSpec& s) {
  const double wide = s.mlp_ratio * static_cast<double>(s.dim);
  if (!(wide >= 1.0 && wide < 1e9)) return 0;  // refused by check_sizes
  if (s.mlp == Mlp::kGelu) return static_cast<std::int64_t>(wide);
  const auto exact = static_cast<std::int64_t>(2.0 * wide / 3.0);
  return (exact + s.mlp_multiple_of - 1) / s.mlp_multiple_of * s.mlp_multiple_of;
}

}  // namespace

void EncoderSpec::visit(FieldVisitor& v) {
  v.field("family", family, "model family: decides the tensor names of foreign checkpoints");
  v.field("channels", channels, "input channels");
  v.field("height", height, "input height, px");
  v.field("width", width, "input width, px");
  v.field("patch", patch, "patch side, px");
  v.field("dim", dim, "width of the residual stream");
  v.field("depth", depth, "number of blocks");
  v.field("heads", heads, "attention heads");
  enum_field(v, "class_token", class_token, "where the class token stands");
  enum_field(v, "position", position, "additive position embedding");
  enum_field(v, "rotary", rotary, "rotation of queries and keys");
  v.field("rope_theta", rope_theta, "base of the rotary frequencies");
  enum_field(v, "mask", mask, "which keys a query sees");
  v.field("mask_rate", mask_rate, "soft-mask rate at inference");
  enum_field(v, "norm", norm, "normalisation");
  v.field("norm_eps", norm_eps, "added to the variance");
  enum_field(v, "mlp", mlp, "feed-forward kind");
  v.field("mlp_ratio", mlp_ratio, "hidden width over dim before the SwiGLU 2/3");
  v.field("mlp_multiple_of", mlp_multiple_of, "SwiGLU hidden width is rounded up to this");
  v.field("mlp_hidden", mlp_hidden, "hidden width; 0: from mlp_ratio and mlp_multiple_of");
  v.field("qkv_bias", qkv_bias, "bias of the q, k, v projection");
  v.field("proj_bias", proj_bias, "bias of the attention output projection");
  v.field("mlp_bias", mlp_bias, "biases of the feed-forward layers");
  enum_field(v, "qk_norm", qk_norm, "normalisation of queries and keys");
  v.field("layer_scale", layer_scale, "initial layer scale; 0: none");
  v.field("drop_path", drop_path, "peak stochastic-depth rate");
  v.field("dropout", dropout, "dropout after the position embedding");
  enum_field(v, "read_out", read_out, "what the head reads");
  v.field("num_classes", num_classes, "classes of the head; 0: no head");
  enum_field(v, "quantization", quantization, "quantisation-aware layers");
  v.field("weight_bits", weight_bits, "bits of quantised weights");
  v.field("activation_bits", activation_bits, "bits of quantised activations");
  v.field("feature_blocks", feature_blocks, "blocks whose outputs are feature maps");
  enum_field(v, "neck", neck, "what turns block outputs into feature maps");
}

void EncoderSpec::resolve() {
  require(mlp_multiple_of >= 1 && mlp_multiple_of <= kMaxWidth,
          "mlp_multiple_of must be 1..{}, got {}", kMaxWidth, mlp_multiple_of);
  if (mlp_hidden == 0) mlp_hidden = automatic_hidden(*this);
  check_sizes(*this);
  check_switches(*this);
  check_features(*this);
}

std::string spec_to_json(const EncoderSpec& spec) {
  EncoderSpec copy = spec;
  return to_json(copy);
}

EncoderSpec spec_from_json(std::string_view text, std::string_view where) {
  EncoderSpec spec;
  from_json(text, where, spec);
  spec.resolve();
  return spec;
}

}  // namespace conopa::arch

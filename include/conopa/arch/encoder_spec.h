#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"

namespace conopa::arch {

/// Where the class token stands in the sequence.
enum class ClassToken { kNone, kFront, kBack };
/// Additive absolute position embedding.
enum class Position { kNone, kLearned };
/// Rotation of queries and keys. kLine: one-dimensional, position = index in the sequence,
/// adjacent channel pairs.
enum class Rotary { kNone, kLine };
/// Which keys a query sees. kCausal: −inf before the softmax; kCausalFirstOpen: the same with row 0
/// open; kSoftCausal: softmax over all keys, then the weights above the diagonal are multiplied by
/// the mask rate α, without renormalisation (iLLaMA, arXiv 2404.06773, Eq. 2).
enum class Mask { kBidirectional, kCausal, kCausalFirstOpen, kSoftCausal };
enum class Norm { kLayer, kRms };
/// kGelu: down(gelu(up x)), exact erf; kSwiglu: down(silu(gate x) ⊙ up x).
enum class Mlp { kGelu, kSwiglu };
/// Normalisation of queries and keys per head.
enum class QkNorm { kNone, kRmsAfterRotary };
/// What the head reads after the final norm: the class token or the mean of all tokens.
enum class ReadOut { kToken, kMean };
/// Quantisation-aware layers. kLsq: learned step sizes, weights per row, activations per input
/// feature, q/k/v and attention map per head (iLLaMA appendix C.4).
enum class Quantization { kNone, kLsq };
/// What turns block outputs into feature maps. kDeconvPyramid: ×4, ×2, ×1, ÷2 (UPerNet on ViT).
enum class Neck { kNone, kDeconvPyramid };

/// Plain description of a vision encoder with its classifier head: the one thing that the libtorch
/// executor, the native engine, the importers and the cost model all read.
///
/// Aggregate with defaults; resolve() fills derived values and checks everything once.
struct EncoderSpec {
  std::string family = "illama";  ///< registry name; decides foreign tensor names, nothing else

  std::int64_t channels = 3;  ///< input channels
  std::int64_t height = 224;  ///< input height, px
  std::int64_t width = 224;   ///< input width, px
  std::int64_t patch = 16;    ///< patch side, px

  std::int64_t dim = 192;
  std::int64_t depth = 12;
  std::int64_t heads = 3;

  ClassToken class_token = ClassToken::kBack;
  Position position = Position::kLearned;
  Rotary rotary = Rotary::kLine;
  double rope_theta = 10000.0;
  Mask mask = Mask::kSoftCausal;
  double mask_rate = 0.0;  ///< α of kSoftCausal at inference; training schedules override it
  Norm norm = Norm::kRms;
  double norm_eps = 1e-6;
  Mlp mlp = Mlp::kSwiglu;
  double mlp_ratio = 4.0;
  std::int64_t mlp_multiple_of = 256;  ///< SwiGLU hidden = int(2·ratio·dim/3) rounded up to this
  std::int64_t mlp_hidden = 0;         ///< 0: from ratio and multiple; resolve() fills it
  bool qkv_bias = true;
  bool proj_bias = true;
  bool mlp_bias = false;
  QkNorm qk_norm = QkNorm::kNone;
  double layer_scale = 0.0;  ///< initial value; 0: no layer scale
  double drop_path = 0.0;    ///< peak stochastic-depth rate, linear from 0 at block 0
  double dropout = 0.0;      ///< after the position embedding, training only
  ReadOut read_out = ReadOut::kToken;
  std::int64_t num_classes = 1000;  ///< 0: no head
  Quantization quantization = Quantization::kNone;
  std::int64_t weight_bits = 8;
  std::int64_t activation_bits = 8;
  std::vector<std::int64_t> feature_blocks;  ///< blocks whose raw outputs are feature maps
  Neck neck = Neck::kNone;

  void visit(FieldVisitor& v);

  /// Fills mlp_hidden and validates.
  /// @throws ConfigError naming the first field that does not fit, with the values involved.
  void resolve();

  [[nodiscard]] std::int64_t grid_rows() const noexcept { return height / patch; }
  [[nodiscard]] std::int64_t grid_cols() const noexcept { return width / patch; }
  [[nodiscard]] std::int64_t num_patches() const noexcept { return grid_rows() * grid_cols(); }
  [[nodiscard]] bool has_class_token() const noexcept { return class_token != ClassToken::kNone; }
  /// Tokens in a block: patches and the class token.
  [[nodiscard]] std::int64_t num_tokens() const noexcept {
    return num_patches() + (has_class_token() ? 1 : 0);
  }
  [[nodiscard]] std::int64_t head_dim() const noexcept { return dim / heads; }
  /// Index of the class token in the sequence; only if there is one.
  [[nodiscard]] std::int64_t class_token_index() const noexcept {
    return class_token == ClassToken::kBack ? num_patches() : 0;
  }
  /// Stochastic-depth rate of one block: linspace(0, drop_path, depth).
  [[nodiscard]] double drop_path_of(std::int64_t block) const noexcept {
    return depth > 1 ? drop_path * static_cast<double>(block) / static_cast<double>(depth - 1)
                     : 0.0;
  }
};

/// Spec as the text of a model folder's config.json (flat object, one key per field).
[[nodiscard]] std::string spec_to_json(const EncoderSpec& spec);

/// Inverse of spec_to_json; resolves and validates.
/// @throws FormatError, ConfigError with `where` (the file) in the message.
[[nodiscard]] EncoderSpec spec_from_json(std::string_view text, std::string_view where);

}  // namespace conopa::arch

namespace conopa {
template <>
struct EnumNames<arch::ClassToken> {
  static constexpr std::array<std::string_view, 3> kNames{"none", "front", "back"};
};
template <>
struct EnumNames<arch::Position> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "learned"};
};
template <>
struct EnumNames<arch::Rotary> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "line"};
};
template <>
struct EnumNames<arch::Mask> {
  static constexpr std::array<std::string_view, 4> kNames{"bidirectional", "causal",
                                                          "causal_first_open", "soft_causal"};
};
template <>
struct EnumNames<arch::Norm> {
  static constexpr std::array<std::string_view, 2> kNames{"layer", "rms"};
};
template <>
struct EnumNames<arch::Mlp> {
  static constexpr std::array<std::string_view, 2> kNames{"gelu", "swiglu"};
};
template <>
struct EnumNames<arch::QkNorm> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "rms_after_rotary"};
};
template <>
struct EnumNames<arch::ReadOut> {
  static constexpr std::array<std::string_view, 2> kNames{"token", "mean"};
};
template <>
struct EnumNames<arch::Quantization> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "lsq"};
};
template <>
struct EnumNames<arch::Neck> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "deconv_pyramid"};
};
}  // namespace conopa

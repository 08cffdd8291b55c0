#pragma once

#include <array>
#include <string_view>

#include "conopa/core/fields.h"

/// The switches of an EncoderSpec and their names in config files.
namespace conopa::arch {

/// Where the class token stands in the sequence. kLate: in front, but it joins behind the last
/// block, so that only the final norm and a decoder see it (released VisionLLaMA MAE).
enum class ClassToken { kNone, kFront, kBack, kLate };

/// Absolute positions. kLearned and kSinCos (fixed) are added to the tokens of every stage's
/// embedding; kConditional adds a depthwise 3x3 convolution of the map behind the first block of
/// every stage (PEG, arXiv 2102.10882). kSinCosComputed: as kSinCos, made from the grid at run time
/// and not a tensor of the model, so that any image size has its own (AIM).
/// kCentres: a small network of the centres of point groups, and a vector of the class token's own,
/// added before every block (Point-BERT).
enum class Position { kNone, kLearned, kSinCos, kConditional, kSinCosComputed, kCentres };

/// What an encoder reads: images, sequences of `width` token numbers, or clouds of points in
/// `width` groups.
enum class Input { kImage, kTokens, kPoints };

/// Which points may become centres of groups. kReleased: those with a squared length above 1e-3
/// (and the first one), as the CUDA kernel of released models has it.
enum class CentreRule { kPlain, kReleased };

/// Rotation of queries and keys, adjacent channel pairs. kLine: one-dimensional, position = index
/// in the sequence. kPlane: column and row, their angles interleaved (VisionLLaMA, 2403.00522).
enum class Rotary { kNone, kLine, kPlane };

/// What rotary coordinates are multiplied by. kAnchor: anchor size over image size (AS2DRoPE, eq.
/// 4), one at the anchor. kOfficial14: 14 over the rows of the stage's map, in every stage
/// (released pyramid code, not one at its training size).
enum class RopeScaling { kNone, kAnchor, kOfficial14 };

/// How the index of a token becomes column and row. kTrue: by the grid's columns, each axis scaled
/// by its own size. kOfficial: rows of floor(sqrt(tokens)) in plain models, and the height scales
/// both axes (released code; the same for square images).
enum class RopeGrid { kTrue, kOfficial };

/// Coordinates of sub-sampled keys. kPaper: mean of the pooled positions (fig. 5). kOfficial: the
/// released code, whose keys run along the full-resolution row.
enum class RopeKeys { kPaper, kOfficial };

/// Which frequencies rope_ntk changes. kBoth: queries and keys. kQueries: the released code.
enum class RopeNtk { kBoth, kQueries };

/// Rotary place of a class token in front under kPlane, with R columns. kWrapped: column R−1, row
/// −1 (index −1 by floor division). kWrappedZero: column R−1, row 0 (by truncation, PyTorch before
/// 1.13). kFixed: (rope_class_at, rope_class_at), not scaled.
enum class RopeClass { kWrapped, kWrappedZero, kFixed };

/// Which keys a query sees. kCausal: −inf before the softmax; kCausalFirstOpen: the same with row 0
/// open; kSoftCausal: softmax over all keys, then the weights above the diagonal are multiplied by
/// the mask rate α, without renormalisation (iLLaMA, arXiv 2404.06773, Eq. 2). kPrefixCausal: query
/// i sees key j if j ≤ i or j is in the sample's prefix; a pass that gives no prefixes sees all
/// keys (AIM, arXiv 2401.08541, section 4.2).
enum class Mask { kBidirectional, kCausal, kCausalFirstOpen, kSoftCausal, kPrefixCausal };

/// Tokens that fill the last windows of a map. kMasked: they are no keys. kAttended: zero rows
/// before the projection, attended to (released VisionLLaMA).
enum class WindowPadding { kMasked, kAttended };

/// A size that the patch (or a later stage's patch) does not divide. kPad: zeros right and bottom.
enum class Remainder { kRefuse, kPad };

enum class Norm { kLayer, kRms };
/// kGelu: down(gelu(up x)), exact erf; kSwiglu: down(silu(gate x) ⊙ up x); kRelu: down(relu(up x)).
enum class Mlp { kGelu, kSwiglu, kRelu };
/// Normalisation of queries and keys per head.
enum class QkNorm { kNone, kRmsAfterRotary };
/// How the stochastic-depth rate runs over the blocks: from 0 to the peak, or the peak everywhere.
enum class DropShape { kLinear, kConstant };
/// Which branches stochastic depth drops.
enum class DropBranches { kBoth, kAttention };

/// What the head reads: the class token, or the mean over tokens with the final norm before it
/// (kMean), behind it (kMeanNorm) or both (kNormMeanNorm: released pyramid VisionLLaMA).
/// kAttention: learned queries attend to the tokens, their mean is read (attentive probe, AIM).
/// kEnd: the first token with the number `end_token` (text). With read_blocks, kMean and kAttention
/// read the average of those blocks' raw outputs instead of the final norm.
/// kPatchMeanNorm: as kMeanNorm without the class token (timm's global pool). kTokenMax: the class
/// token and the maximum of the others after the final norm, next to each other (Point-BERT).
enum class ReadOut {
  kToken,
  kMean,
  kMeanNorm,
  kNormMeanNorm,
  kAttention,
  kEnd,
  kPatchMeanNorm,
  kTokenMax
};

/// Normalisation between features and head. kBatch: batch norm without affine (probes), of the
/// pooled features, or under kAttention of every token before the queries read it.
enum class HeadNorm { kNone, kBatch };

/// Initial matrices. kTruncNormal: deviation 0.02, biases 0. kXavier: Glorot uniform, the patch
/// convolution as a matrix, feed-forward biases normal(0, 1e-6) (MAE). kXavierPlain: the same with
/// biases of 0 and the framework's default for the convolution's bias (AIM). kFramework: the
/// framework's default everywhere, uniform ±1/√fan_in for weights and biases; class token 0.
enum class WeightInit { kTruncNormal, kXavier, kXavierPlain, kFramework };
/// Initial convolutions unless kXavier. kFanIn: uniform ±1/√fan_in, biases too (the framework's
/// default). kFanOut: normal(0, √(2/fan_out)), biases 0.
enum class ConvInit { kFanIn, kFanOut };

/// Quantisation-aware layers. kLsq: learned step sizes, weights per row, activations per input
/// feature, q/k/v and attention map per head (iLLaMA appendix C.4).
enum class Quantization { kNone, kLsq };
/// What turns block outputs into feature maps. kDeconvPyramid: ×4, ×2, ×1, ÷2 (UPerNet on ViT).
enum class Neck { kNone, kDeconvPyramid };
/// What turns encoded patches into targets. kMae: standard pre-norm ViT blocks over visible and
/// mask tokens (arXiv 2111.06377). kNextPatch: every token predicts the patch behind it, through
/// decoder_depth blocks of the encoder's kind (AIM, arXiv 2401.08541, section 4.2). kCaption: one
/// causal decoder over image tokens and a caption, which predicts the next patch and the next word
/// (AIMv2, arXiv 2411.14402, section 2).
enum class Decoder { kNone, kMae, kNextPatch, kCaption };

/// What stands between the mappers of a LanguageBlock. kBlock: blocks of a language model;
/// kOnlyMlp: the same without their attention; kMlp: GELU and layer norm, the baseline of about the
/// same trained size (LM4V, arXiv 2310.12973, section 5).
enum class LanguageUnit { kNone, kBlock, kOnlyMlp, kMlp };

/// How the blocks of a kNextPatch decoder mix tokens. kIdentity: the released code, whose attention
/// is the identity, x + norm1(x); kNone: feed-forward branches alone (the paper's text);
/// kAttention: causal attention.
enum class Mixer { kAttention, kIdentity, kNone };

}  // namespace conopa::arch

namespace conopa {
template <>
struct EnumNames<arch::ClassToken> {
  static constexpr std::array<std::string_view, 4> kNames{"none", "front", "back", "late"};
};
template <>
struct EnumNames<arch::Position> {
  static constexpr std::array<std::string_view, 6> kNames{
      "none", "learned", "sincos", "conditional", "sincos_computed", "centres"};
};
template <>
struct EnumNames<arch::Input> {
  static constexpr std::array<std::string_view, 3> kNames{"image", "tokens", "points"};
};
template <>
struct EnumNames<arch::CentreRule> {
  static constexpr std::array<std::string_view, 2> kNames{"plain", "released"};
};
template <>
struct EnumNames<arch::Rotary> {
  static constexpr std::array<std::string_view, 3> kNames{"none", "line", "plane"};
};
template <>
struct EnumNames<arch::RopeScaling> {
  static constexpr std::array<std::string_view, 3> kNames{"none", "anchor", "official14"};
};
template <>
struct EnumNames<arch::RopeGrid> {
  static constexpr std::array<std::string_view, 2> kNames{"true", "official"};
};
template <>
struct EnumNames<arch::RopeKeys> {
  static constexpr std::array<std::string_view, 2> kNames{"paper", "official"};
};
template <>
struct EnumNames<arch::RopeNtk> {
  static constexpr std::array<std::string_view, 2> kNames{"both", "queries"};
};
template <>
struct EnumNames<arch::RopeClass> {
  static constexpr std::array<std::string_view, 3> kNames{"wrapped", "wrapped_zero", "fixed"};
};
template <>
struct EnumNames<arch::Mask> {
  static constexpr std::array<std::string_view, 5> kNames{
      "bidirectional", "causal", "causal_first_open", "soft_causal", "prefix_causal"};
};
template <>
struct EnumNames<arch::WindowPadding> {
  static constexpr std::array<std::string_view, 2> kNames{"masked", "attended"};
};
template <>
struct EnumNames<arch::Remainder> {
  static constexpr std::array<std::string_view, 2> kNames{"refuse", "pad"};
};
template <>
struct EnumNames<arch::Norm> {
  static constexpr std::array<std::string_view, 2> kNames{"layer", "rms"};
};
template <>
struct EnumNames<arch::Mlp> {
  static constexpr std::array<std::string_view, 3> kNames{"gelu", "swiglu", "relu"};
};
template <>
struct EnumNames<arch::QkNorm> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "rms_after_rotary"};
};
template <>
struct EnumNames<arch::DropShape> {
  static constexpr std::array<std::string_view, 2> kNames{"linear", "constant"};
};
template <>
struct EnumNames<arch::DropBranches> {
  static constexpr std::array<std::string_view, 2> kNames{"both", "attention"};
};
template <>
struct EnumNames<arch::ReadOut> {
  static constexpr std::array<std::string_view, 8> kNames{
      "token",     "mean", "mean_norm",       "norm_mean_norm",
      "attention", "end",  "patch_mean_norm", "token_max"};
};
template <>
struct EnumNames<arch::HeadNorm> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "batch"};
};
template <>
struct EnumNames<arch::WeightInit> {
  static constexpr std::array<std::string_view, 4> kNames{"trunc_normal", "xavier", "xavier_plain",
                                                          "framework"};
};
template <>
struct EnumNames<arch::ConvInit> {
  static constexpr std::array<std::string_view, 2> kNames{"fan_in", "fan_out"};
};
template <>
struct EnumNames<arch::Quantization> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "lsq"};
};
template <>
struct EnumNames<arch::Neck> {
  static constexpr std::array<std::string_view, 2> kNames{"none", "deconv_pyramid"};
};
template <>
struct EnumNames<arch::Decoder> {
  static constexpr std::array<std::string_view, 4> kNames{"none", "mae", "next_patch", "caption"};
};
template <>
struct EnumNames<arch::LanguageUnit> {
  static constexpr std::array<std::string_view, 4> kNames{"none", "block", "only_mlp", "mlp"};
};
template <>
struct EnumNames<arch::Mixer> {
  static constexpr std::array<std::string_view, 3> kNames{"attention", "identity", "none"};
};
}  // namespace conopa

#include "arch/spec_checks.h"

#include <fmt/ranges.h>

#include <cmath>
#include <set>

#include "conopa/arch/rotary.h"
#include "conopa/core/error.h"

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
  require(s.height >= 1 && s.width >= 1 && s.height <= kMaxSide && s.width <= kMaxSide,
          "height and width must be 1..{} px, got {}x{}", kMaxSide, s.height, s.width);
  require(s.height >= s.patch && s.width >= s.patch,
          "the image must not be smaller than the patch, got {}x{} with patch {}; set a larger "
          "height and width or a smaller patch",
          s.height, s.width, s.patch);
  require(s.remainder == Remainder::kPad || (s.height % s.patch == 0 && s.width % s.patch == 0),
          "image size must be a multiple of the patch, got {}x{} with patch {}; set height and "
          "width to multiples of {}, or remainder = \"pad\"",
          s.height, s.width, s.patch, s.patch);
  require(s.dim >= 1 && s.dim <= kMaxWidth, "dim must be 1..{}, got {}", kMaxWidth, s.dim);
  require(s.depth >= 1 && s.depth <= 4096, "depth must be 1..4096, got {}", s.depth);
  require(s.heads >= 1 && s.dim % s.heads == 0,
          "heads must divide dim, got dim {} and {} heads; set heads to a divisor of {}", s.dim,
          s.heads, s.dim);
  require(s.num_classes >= 0 && s.num_classes <= kMaxWidth,
          "num_classes must be 0 (no head) to {}, got {}", kMaxWidth, s.num_classes);
  require(s.mlp_hidden >= 1 && s.mlp_hidden <= 16 * kMaxWidth,
          "mlp_hidden must be 1..{}, got {}; check mlp_ratio and mlp_multiple_of", 16 * kMaxWidth,
          s.mlp_hidden);
}

void check_pyramid(const EncoderSpec& s) {
  if (!s.pyramid()) return;
  const std::vector<Stage> stages = s.stages();
  for (const Stage& stage : stages) {
    const std::int64_t before_rows = stage.index == 0 ? s.height : stages[stage.index - 1].rows;
    const std::int64_t before_cols = stage.index == 0 ? s.width : stages[stage.index - 1].cols;
    require(s.remainder == Remainder::kPad ||
                (before_rows % stage.patch == 0 && before_cols % stage.patch == 0),
            "the map of stage {} must be a multiple of {}, got {}x{}; choose another image size, "
            "or remainder = \"pad\"",
            stage.index, stage.patch, before_rows, before_cols);
    require(s.remainder == Remainder::kPad ||
                (stage.rows % stage.reduction == 0 && stage.cols % stage.reduction == 0),
            "stage {} sub-samples keys by {}, which must divide its map, got {}x{}; choose another "
            "image size, or remainder = \"pad\"",
            stage.index, stage.reduction, stage.rows, stage.cols);
  }
  const Stage& first = stages.front();
  require(
      first.rows >= first.window && first.cols >= first.window,
      "the image must hold a window of the first stage, {} px, got {}x{}; set a larger image or "
      "smaller stage_windows",
      first.window * first.patch, s.height, s.width);
  require(s.class_token == ClassToken::kNone,
          "a pyramid has no class token, got class_token = \"{}\"", enum_name(s.class_token));
  require(s.mask == Mask::kBidirectional,
          "a pyramid attends in both directions, got mask = \"{}\"; set mask = \"bidirectional\"",
          enum_name(s.mask));
  require(s.input == Input::kImage && s.lora_rank == 0 && s.read_blocks.empty() &&
              s.read_out != ReadOut::kAttention,
          "token input, lora_rank, read_blocks and the attention read-out are for plain encoders; "
          "leave them out of a pyramid");
  require(s.qk_norm == QkNorm::kNone && s.quantization == Quantization::kNone &&
              s.neck == Neck::kNone && s.decoder == Decoder::kNone,
          "qk_norm, quantization, neck and decoder are for plain encoders; leave them out of a "
          "pyramid");
}

void check_rotation(const EncoderSpec& s) {
  require(s.rope_theta > 0.0, "rope_theta must be positive, got {}", s.rope_theta);
  require(s.rope_ratio > 0.0 && s.rope_ratio <= 1.0, "rope_ratio must be in (0, 1], got {}",
          s.rope_ratio);
  require(s.rope_scale > 0.0 && std::isfinite(s.rope_scale), "rope_scale must be positive, got {}",
          s.rope_scale);
  require(s.rope_ntk >= 1.0 && std::isfinite(s.rope_ntk), "rope_ntk must be at least 1, got {}",
          s.rope_ntk);
  require(s.rope_ntk == 1.0 || s.rope_scaling == RopeScaling::kNone,
          "rope_ntk and rope_scaling are two answers to one question; set one of them");
  require(s.rope_ntk == 1.0 || s.rope_ntk_acts_on == RopeNtk::kBoth || s.pyramid(),
          "rope_ntk_acts_on = \"queries\" belongs to pyramids, whose queries have tables of their "
          "own; use \"both\"");
  require(s.rope_anchor >= 0 && s.rope_anchor <= kMaxSide, "rope_anchor must be 0..{} px, got {}",
          kMaxSide, s.rope_anchor);
  for (const std::int64_t block : s.rope_off_blocks) {
    require(block >= 0 && block < s.depth, "rope_off_blocks must be 0..{}, got {}", s.depth - 1,
            block);
  }
  if (s.rotary == Rotary::kNone) return;
  require(s.rotary == Rotary::kPlane || s.rope_scaling == RopeScaling::kNone,
          "rope_scaling = \"{}\" needs rotary = \"plane\"", enum_name(s.rope_scaling));
  require(s.rope_scaling != RopeScaling::kOfficial14 || s.pyramid(),
          "rope_scaling = \"official14\" belongs to pyramids; use \"anchor\"");
  const std::int64_t unit = s.rotary == Rotary::kPlane ? 4 : 2;
  for (const Stage& stage : s.stages()) {
    require(stage.head_dim() % 2 == 0,
            "rotary positions need an even head width, got {} (dim {} / {} heads)",
            stage.head_dim(), stage.dim, stage.heads);
    const std::int64_t rotated = rotated_channels(s, stage.head_dim());
    require(rotated >= unit && rotated % unit == 0,
            "rotary = \"{}\" needs {} rotated channels or a multiple, got {} (head width {} = dim "
            "{} / {} heads, rope_ratio {}); change heads or rope_ratio",
            enum_name(s.rotary), unit, rotated, stage.head_dim(), stage.dim, stage.heads,
            s.rope_ratio);
  }
}

void check_positions(const EncoderSpec& s) {
  require(!s.position_spare_row ||
              (!s.has_class_token() && !s.pyramid() &&
               (s.position == Position::kLearned || s.position == Position::kSinCos)),
          "position_spare_row is for plain models with position embedding and no class token");
  const bool sincos = s.position == Position::kSinCos || s.position == Position::kSinCosComputed;
  require(!sincos || s.dim % 4 == 0, "position = \"{}\" needs dim in multiples of 4, got {}",
          enum_name(s.position), s.dim);
  for (const std::int64_t dim : s.stage_dims) {
    require(!sincos || dim % 4 == 0, "position = \"{}\" needs stage_dims in multiples of 4, got {}",
            enum_name(s.position), dim);
  }
}

void check_points(const EncoderSpec& s) {
  require(s.height == 1 && s.patch == 1 && s.channels == 3,
          "input = \"points\" is a row of width groups of x, y, z; set height and patch to 1 and "
          "channels to 3, got {}, {} and {}",
          s.height, s.patch, s.channels);
  require(s.point.count >= s.width && s.point.count >= s.point.group,
          "point_count must hold as many points as there are groups and as a group has, got {} for "
          "{} groups (width) of {} points (point_group)",
          s.point.count, s.width, s.point.group);
  require(s.point.count <= 1 << 24 && s.point.group >= 1,
          "point_group must be 1..point_count, got {}", s.point.group);
  require(s.point.width >= 1 && s.point.width <= kMaxWidth, "point_width must be 1..{}, got {}",
          kMaxWidth, s.point.width);
  require((s.position == Position::kNone || s.position == Position::kCentres) &&
              (s.class_token == ClassToken::kNone || s.class_token == ClassToken::kFront) &&
              s.rotary == Rotary::kNone && s.mask == Mask::kBidirectional,
          "input = \"points\" has no order: position is \"none\" or \"centres\", the class token "
          "in front or absent, rotary \"none\" and mask \"bidirectional\"");
  require(!s.pyramid() && !s.patch_norm && s.decoder == Decoder::kNone && s.neck == Neck::kNone &&
              s.quantization == Quantization::kNone && s.read_out != ReadOut::kEnd,
          "input = \"points\" takes no stages, patch_norm, decoder, neck, quantization or read-out "
          "\"end\"");
}

void check_input(const EncoderSpec& s) {
  require(s.position != Position::kCentres || s.input == Input::kPoints,
          "position = \"centres\" belongs to input = \"points\"");
  if (s.input == Input::kPoints) {
    check_points(s);
    return;
  }
  if (s.input == Input::kImage) {
    require(s.read_out != ReadOut::kEnd,
            "read_out = \"end\" belongs to input = \"tokens\"; use \"mean\" for images");
    return;
  }
  require(s.vocabulary >= 2 && s.vocabulary <= 64 * kMaxWidth,
          "input = \"tokens\" needs a vocabulary of 2 to {}, got {}", 64 * kMaxWidth, s.vocabulary);
  require(s.height == 1 && s.patch == 1 && s.channels == 1,
          "input = \"tokens\" is a row of width tokens; set height, patch and channels to 1, got "
          "{}, {} and {}",
          s.height, s.patch, s.channels);
  require(!s.pyramid() && s.class_token == ClassToken::kNone && !s.patch_norm &&
              s.rotary != Rotary::kPlane &&
              (s.position == Position::kNone || s.position == Position::kLearned) &&
              s.decoder == Decoder::kNone && s.neck == Neck::kNone,
          "input = \"tokens\" takes no class token, patch_norm, plane rotation, decoder or neck");
  require(s.end_token >= 0 && s.end_token < s.vocabulary, "end_token must be 0..{}, got {}",
          s.vocabulary - 1, s.end_token);
}

void check_read_out(const EncoderSpec& s) {
  for (const std::int64_t block : s.read_blocks) {
    require(block >= 0 && block < s.depth,
            "read_blocks must be 0..{}, got {}; the model has {} blocks", s.depth - 1, block,
            s.depth);
  }
  const std::set<std::int64_t> distinct(s.read_blocks.begin(), s.read_blocks.end());
  require(distinct.size() == s.read_blocks.size(),
          "read_blocks must name every block once, got [{}]", fmt::join(s.read_blocks, ", "));
  require(
      s.read_blocks.empty() || s.read_out == ReadOut::kMean || s.read_out == ReadOut::kAttention,
      "read_blocks are read by read_out = \"mean\" or \"attention\", got \"{}\"",
      enum_name(s.read_out));
  require(s.read_blocks.empty() ||
              (s.position != Position::kConditional && s.class_token != ClassToken::kLate),
          "read_blocks need a model without conditional positions and late class token");
  require(s.pool_queries >= 1 && s.pool_queries <= 4096, "pool_queries must be 1..4096, got {}",
          s.pool_queries);
  require(s.projection >= 0 && s.projection <= kMaxWidth, "projection must be 0..{}, got {}",
          kMaxWidth, s.projection);
  require(s.lora_rank >= 0 && s.lora_rank <= s.dim, "lora_rank must be 0 (off) to dim {}, got {}",
          s.dim, s.lora_rank);
  require(std::isfinite(s.lora_alpha) && s.lora_alpha > 0.0, "lora_alpha must be positive, got {}",
          s.lora_alpha);
  require(s.lora_rank == 0 || s.quantization == Quantization::kNone,
          "lora_rank and quantization-aware layers exclude each other; set one of them");
}

void check_switches(const EncoderSpec& s) {
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
  require(s.read_out != ReadOut::kTokenMax || s.class_token == ClassToken::kFront,
          "read_out = \"token_max\" needs class_token = \"front\", got \"{}\"",
          enum_name(s.class_token));
  require(s.head_hidden >= 0 && s.head_hidden <= kMaxWidth && s.head_dropout >= 0.0 &&
              s.head_dropout < 1.0,
          "head_hidden must be 0 (none) to {} and head_dropout 0..1, got {} and {}", kMaxWidth,
          s.head_hidden, s.head_dropout);
  require((s.head_hidden == 0 && s.read_out != ReadOut::kTokenMax) ||
              (s.head_norm == HeadNorm::kNone && s.projection == 0 && s.lora_rank == 0),
          "head_hidden and read_out = \"token_max\" take no head_norm, projection or lora_rank");
  require(s.head_init_std >= 0.0 && std::isfinite(s.head_init_std),
          "head_init_std must not be negative, got {}", s.head_init_std);
  require(
      s.weight_bits >= 2 && s.weight_bits <= 8 && s.activation_bits >= 2 && s.activation_bits <= 8,
      "weight_bits and activation_bits must be 2..8, got {} and {}", s.weight_bits,
      s.activation_bits);
}

void check_language_block(const EncoderSpec& s) {
  const LanguageBlock& llm = s.llm;
  if (!llm.present()) return;
  require(llm.dim >= 1 && llm.dim <= kMaxWidth, "llm_dim must be 1..{}, got {}", kMaxWidth,
          llm.dim);
  require(llm.after <= s.depth, "llm_after must be 0..{} (the encoder's blocks) or -1, got {}",
          s.depth, llm.after);
  require(llm.norm_eps > 0.0 && llm.norm_eps < 1.0, "llm_norm_eps must be in (0, 1), got {}",
          llm.norm_eps);
  require(!s.pyramid() && s.read_blocks.empty() && s.quantization == Quantization::kNone &&
              s.class_token != ClassToken::kLate && s.decoder == Decoder::kNone,
          "llm_unit = \"{}\" stands in a plain encoder without read_blocks, quantization, late "
          "class token and decoder",
          enum_name(llm.unit));
  if (!llm.has_blocks()) return;
  require(llm.depth >= 1 && llm.depth <= 1024, "llm_depth must be 1..1024, got {}", llm.depth);
  require(llm.heads >= 1 && llm.dim % llm.heads == 0,
          "llm_heads must divide llm_dim, got {} heads for {}", llm.heads, llm.dim);
  require(llm.hidden >= 1 && llm.hidden <= 16 * kMaxWidth, "llm_hidden must be 1..{}, got {}",
          16 * kMaxWidth, llm.hidden);
}

void check_features(const EncoderSpec& s) {
  for (const std::int64_t block : s.feature_blocks) {
    require(block >= 0 && block < s.depth, "feature_blocks must be 0..{}, got {}", s.depth - 1,
            block);
  }
  require(s.neck != Neck::kDeconvPyramid || s.feature_blocks.size() == 4,
          "neck = \"deconv_pyramid\" needs 4 feature_blocks, got {}", s.feature_blocks.size());
}

void check_mae_decoder(const EncoderSpec& s) {
  require(s.mask == Mask::kBidirectional && s.quantization == Quantization::kNone,
          "a masked auto-encoder needs mask = \"bidirectional\" and no quantization");
  require(s.decoder_outputs == 0, "decoder = \"mae\" predicts pixels; set decoder_outputs = 0");
}

void check_autoregressive(const EncoderSpec& s) {
  require(
      s.class_token == ClassToken::kNone && !s.pyramid(),
      "decoder = \"{}\" predicts patch behind patch; it needs a plain encoder without class token",
      enum_name(s.decoder));
  require(s.mask == Mask::kPrefixCausal || s.mask == Mask::kCausal,
          "decoder = \"{}\" needs mask = \"prefix_causal\" or \"causal\", got \"{}\": a token that "
          "sees the next patch has nothing to predict",
          enum_name(s.decoder), enum_name(s.mask));
  require(s.num_patches() >= 2, "decoder = \"{}\" needs at least 2 patches, got {}",
          enum_name(s.decoder), s.num_patches());
  require(s.decoder_outputs >= 0 && s.decoder_outputs <= kMaxWidth,
          "decoder_outputs must be 0 (pixels) to {}, got {}", kMaxWidth, s.decoder_outputs);
  if (s.decoder != Decoder::kCaption) return;
  require(s.decoder_vocabulary >= 2 && s.decoder_vocabulary <= 64 * kMaxWidth,
          "decoder_vocabulary must be 2..{}, got {}", 64 * kMaxWidth, s.decoder_vocabulary);
  require(s.decoder_context >= 1 && s.decoder_context <= kMaxSide,
          "decoder_context must be 1..{}, got {}", kMaxSide, s.decoder_context);
  require(s.decoder_outputs == 0, "decoder = \"caption\" predicts pixels; set decoder_outputs = 0");
}

void check_decoder(const EncoderSpec& s) {
  if (s.decoder == Decoder::kNone) return;
  require(s.num_classes == 0 && s.projection == 0 && s.read_out != ReadOut::kAttention,
          "a model with a decoder has no head; set num_classes = 0, got {}", s.num_classes);
  require(s.decoder_dim >= 4 && s.decoder_dim <= kMaxWidth && s.decoder_dim % 4 == 0,
          "decoder_dim must be a multiple of 4 up to {}, got {}", kMaxWidth, s.decoder_dim);
  const std::int64_t least = s.decoder == Decoder::kNextPatch ? 0 : 1;
  require(s.decoder_depth >= least && s.decoder_depth <= 4096,
          "decoder_depth must be {}..4096, got {}", least, s.decoder_depth);
  require(s.decoder_heads >= 1 && s.decoder_dim % s.decoder_heads == 0,
          "decoder_heads must divide decoder_dim, got {} and {}", s.decoder_heads, s.decoder_dim);
  require(s.decoder_mlp_ratio > 0.0 && s.decoder_mlp_ratio <= 64.0 &&
              s.decoder_mlp_ratio * static_cast<double>(s.decoder_dim) >= 1.0,
          "decoder_mlp_ratio must be in (0, 64], got {}", s.decoder_mlp_ratio);
  if (s.decoder == Decoder::kMae) {
    check_mae_decoder(s);
  } else {
    check_autoregressive(s);
  }
}

}  // namespace

void check_before_resolving(const EncoderSpec& s) {
  require(s.mlp_multiple_of >= 1 && s.mlp_multiple_of <= kMaxWidth,
          "mlp_multiple_of must be 1..{}, got {}", kMaxWidth, s.mlp_multiple_of);
  require(s.llm.multiple_of >= 1 && s.llm.multiple_of <= kMaxWidth,
          "llm_multiple_of must be 1..{}, got {}", kMaxWidth, s.llm.multiple_of);
  require(s.patch >= 1 && s.patch <= kMaxSide, "patch must be 1..{} px, got {}", kMaxSide, s.patch);
  require(s.stage_patch >= 1 && s.stage_patch <= kMaxSide, "stage_patch must be 1..{}, got {}",
          kMaxSide, s.stage_patch);
}

void check_stage_lists(const EncoderSpec& s) {
  const std::size_t stages = s.stage_dims.size();
  require(stages <= 16, "a pyramid has at most 16 stages, got {}", stages);
  const auto check = [&](std::string_view name, const std::vector<std::int64_t>& list,
                         std::int64_t low, std::int64_t high) {
    require(list.size() == stages, "{} must have one value a stage, {}, got {}", name, stages,
            list.size());
    for (const std::int64_t value : list) {
      require(value >= low && value <= high, "{} must be {}..{}, got {}", name, low, high, value);
    }
  };
  check("stage_dims", s.stage_dims, 1, kMaxWidth);
  check("stage_depths", s.stage_depths, 1, 4096);
  check("stage_heads", s.stage_heads, 1, kMaxWidth);
  check("stage_windows", s.stage_windows, 0, kMaxSide);
  check("stage_reductions", s.stage_reductions, 1, kMaxSide);
  check("stage_hidden", s.stage_hidden, 1, 16 * kMaxWidth);
  for (std::size_t i = 0; i < stages; ++i) {
    require(s.stage_dims[i] % s.stage_heads[i] == 0,
            "stage_heads must divide stage_dims, got {} heads for width {} in stage {}",
            s.stage_heads[i], s.stage_dims[i], i);
  }
}

void check_spec(const EncoderSpec& spec) {
  check_sizes(spec);
  check_pyramid(spec);
  check_rotation(spec);
  check_positions(spec);
  check_switches(spec);
  check_input(spec);
  check_read_out(spec);
  check_features(spec);
  check_language_block(spec);
  check_decoder(spec);
}

}  // namespace conopa::arch

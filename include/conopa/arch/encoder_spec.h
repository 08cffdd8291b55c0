#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/language_block.h"
#include "conopa/arch/point_input.h"
#include "conopa/arch/spec_enums.h"

namespace conopa::arch {

/// One resolution level of an encoder, derived from the spec. Plain encoders have one.
struct Stage {
  std::int64_t index = 0;
  std::int64_t dim = 0;
  std::int64_t depth = 0;
  std::int64_t heads = 0;
  std::int64_t mlp_hidden = 0;
  std::int64_t channels = 0;  ///< of the map that the embedding reads
  std::int64_t patch = 0;     ///< side and stride of the embedding on that map
  std::int64_t rows = 0;      ///< of the stage's map, in tokens
  std::int64_t cols = 0;
  std::int64_t window = 0;       ///< side of local windows, 0: all blocks are global
  std::int64_t reduction = 1;    ///< side of the patches that global blocks pool keys from
  std::int64_t first_block = 0;  ///< index of its first block over the whole encoder

  [[nodiscard]] std::int64_t tokens() const noexcept { return rows * cols; }
  [[nodiscard]] std::int64_t head_dim() const noexcept { return dim / heads; }
  [[nodiscard]] std::int64_t key_rows() const noexcept {
    return (rows + reduction - 1) / reduction;
  }
  [[nodiscard]] std::int64_t key_cols() const noexcept {
    return (cols + reduction - 1) / reduction;
  }
};

/// Plain description of a vision encoder with its classifier head: the one thing that the libtorch
/// executor, the native engine, the importers and the cost model all read.
///
/// Aggregate with defaults; resolve() fills derived values and checks everything once. A pyramid is
/// a spec whose stage_dims is not empty: its stages replace dim, depth, heads and mlp_hidden, and
/// its blocks alternate between local windows (even) and global attention (odd).
struct EncoderSpec {
  std::string family = "illama";  ///< registry name; decides foreign tensor names, nothing else

  Input input = Input::kImage;
  std::int64_t vocabulary = 0;  ///< kTokens: how many token numbers there are
  std::int64_t channels = 3;    ///< input channels
  std::int64_t height = 224;    ///< input height, px
  std::int64_t width = 224;     ///< input width, px
  std::int64_t patch = 16;      ///< patch side, px
  Remainder remainder = Remainder::kRefuse;
  PointInput point;  ///< of kPoints, whose width is the number of groups

  std::int64_t dim = 192;
  std::int64_t depth = 12;
  std::int64_t heads = 3;

  std::vector<std::int64_t> stage_dims;    ///< empty: one stage, not a pyramid
  std::vector<std::int64_t> stage_depths;  ///< blocks of every stage
  std::vector<std::int64_t> stage_heads;
  std::vector<std::int64_t> stage_windows;     ///< window sides, tokens
  std::vector<std::int64_t> stage_reductions;  ///< key sub-sampling of global blocks
  std::vector<std::int64_t> stage_hidden;      ///< empty: from ratio and multiple
  std::int64_t stage_patch = 2;                ///< patch side of the later stages' embeddings
  bool patch_norm = false;                     ///< layer norm behind every embedding
  WindowPadding window_padding = WindowPadding::kMasked;

  ClassToken class_token = ClassToken::kBack;
  Position position = Position::kLearned;
  bool position_spare_row = false;  ///< the position embedding starts with a row nobody uses
  bool position_class_row = true;   ///< it has a row for the class token
  Rotary rotary = Rotary::kLine;
  double rope_theta = 10000.0;
  double rope_ratio = 1.0;     ///< part of every head's channels that is rotated, from the first on
  bool rope_per_head = false;  ///< one frequency ladder over all heads, each takes its slice
  double rope_scale = 1.0;     ///< multiplies all coordinates (position interpolation)
  RopeScaling rope_scaling = RopeScaling::kNone;
  std::int64_t rope_anchor = 0;  ///< px of kAnchor; 0: the height at resolve()
  RopeGrid rope_grid = RopeGrid::kTrue;
  RopeKeys rope_keys = RopeKeys::kPaper;
  double rope_ntk = 1.0;  ///< multiplies the base of global attention at test time
  RopeNtk rope_ntk_acts_on = RopeNtk::kBoth;
  RopeClass rope_class = RopeClass::kWrapped;
  std::int64_t rope_class_at = 0;             ///< kFixed
  std::vector<std::int64_t> rope_off_blocks;  ///< blocks without rotation
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
  double drop_path = 0.0;    ///< peak stochastic-depth rate
  DropShape drop_path_shape = DropShape::kLinear;
  DropBranches drop_path_branches = DropBranches::kBoth;
  double dropout = 0.0;  ///< after the position embedding, training only
  ReadOut read_out = ReadOut::kToken;
  std::vector<std::int64_t> read_blocks;  ///< averaged for the head; empty: the final norm
  std::int64_t pool_queries = 1;          ///< kAttention; as many heads as the blocks
  bool pool_bias = false;                 ///< biases of its keys and values
  std::int64_t end_token = 0;             ///< kEnd
  HeadNorm head_norm = HeadNorm::kNone;
  std::int64_t num_classes = 1000;  ///< 0: no head
  bool head_bias = true;
  std::int64_t head_hidden = 0;  ///< width of a ReLU layer in front of the head's last; 0: none
  double head_dropout = 0.0;     ///< behind that layer, training only
  std::int64_t projection = 0;   ///< width of a last layer without bias behind features or head
  WeightInit weight_init = WeightInit::kTruncNormal;
  ConvInit conv_init = ConvInit::kFanIn;
  double head_init_std = 0.02;
  std::int64_t lora_rank = 0;  ///< low-rank branches on queries, values and projection; 0: none
  double lora_alpha = 1.0;     ///< their factor is lora_alpha / lora_rank
  Quantization quantization = Quantization::kNone;
  std::int64_t weight_bits = 8;
  std::int64_t activation_bits = 8;
  std::vector<std::int64_t> feature_blocks;  ///< blocks whose raw outputs are feature maps
  Neck neck = Neck::kNone;

  LanguageBlock llm;

  Decoder decoder = Decoder::kNone;
  std::int64_t decoder_dim = 512;
  std::int64_t decoder_depth = 8;
  std::int64_t decoder_heads = 16;
  double decoder_mlp_ratio = 4.0;
  Mixer decoder_mixer = Mixer::kIdentity;
  bool decoder_bias = true;  ///< of kNextPatch's and kCaption's first layer, kNextPatch's last
  std::int64_t decoder_outputs = 0;     ///< values predicted a patch; 0: its pixels
  std::int64_t decoder_vocabulary = 0;  ///< kCaption: token numbers
  std::int64_t decoder_context = 0;     ///< kCaption: longest caption, tokens

  void visit(FieldVisitor& v);

  /// Fills hidden widths, the anchor and, for pyramids, dim, depth and heads (of the last stage and
  /// all blocks); validates.
  /// @throws ConfigError naming the first field that does not fit, with the values involved.
  void resolve();

  [[nodiscard]] bool pyramid() const noexcept { return !stage_dims.empty(); }
  /// The levels of a resolved spec, first to last.
  [[nodiscard]] std::vector<Stage> stages() const;

  /// Rows and columns of patches of the (first) embedding.
  [[nodiscard]] std::int64_t grid_rows() const noexcept { return (height + patch - 1) / patch; }
  [[nodiscard]] std::int64_t grid_cols() const noexcept { return (width + patch - 1) / patch; }
  [[nodiscard]] std::int64_t num_patches() const noexcept { return grid_rows() * grid_cols(); }
  [[nodiscard]] bool has_class_token() const noexcept { return class_token != ClassToken::kNone; }
  /// Whether the class token takes part in the blocks.
  [[nodiscard]] bool class_token_in_blocks() const noexcept {
    return class_token == ClassToken::kFront || class_token == ClassToken::kBack;
  }
  /// Tokens in a block of the first stage: patches and the class token.
  [[nodiscard]] std::int64_t num_tokens() const noexcept {
    return num_patches() + (class_token_in_blocks() ? 1 : 0);
  }
  [[nodiscard]] std::int64_t head_dim() const noexcept { return dim / heads; }
  /// Width of what the head reads.
  [[nodiscard]] std::int64_t feature_dim() const noexcept {
    return read_out == ReadOut::kTokenMax ? 2 * dim : dim;
  }
  /// Width of what a pass puts out: the projection, else the head's classes; 0: features alone.
  [[nodiscard]] std::int64_t outputs() const noexcept {
    return projection > 0 ? projection : num_classes;
  }
  /// Blocks that run: those up to the last one read, or all.
  [[nodiscard]] std::int64_t blocks_to_run() const noexcept {
    if (read_blocks.empty()) return depth;
    return *std::max_element(read_blocks.begin(), read_blocks.end()) + 1;
  }
  /// Whether the language block stands behind all blocks.
  [[nodiscard]] bool llm_last() const noexcept { return llm.present() && llm.after == depth; }
  /// Values of one patch that a decoder predicts.
  [[nodiscard]] std::int64_t patch_outputs() const noexcept {
    return decoder_outputs > 0 ? decoder_outputs : patch * patch * channels;
  }
  /// Index of the class token in the sequence; only if there is one.
  [[nodiscard]] std::int64_t class_token_index() const noexcept {
    return class_token == ClassToken::kBack ? num_patches() : 0;
  }
  /// Whether the position embedding has a row that is no patch's.
  [[nodiscard]] bool position_extra_row() const noexcept {
    return (class_token_in_blocks() && position_class_row) || position_spare_row;
  }
  /// Rows of the position embedding that stand before the patches.
  [[nodiscard]] std::int64_t position_front_rows() const noexcept {
    const bool own = class_token == ClassToken::kFront && position_class_row;
    return own || position_spare_row ? 1 : 0;
  }
  /// Stochastic-depth rate of one block when the peak is `peak`.
  [[nodiscard]] double drop_path_of(std::int64_t block, double peak) const noexcept {
    if (drop_path_shape == DropShape::kConstant) return peak;
    return depth > 1 ? peak * static_cast<double>(block) / static_cast<double>(depth - 1) : 0.0;
  }
};

/// Hidden width of a feed-forward layer: ratio·dim for GELU, int(2·ratio·dim/3) rounded up to
/// mlp_multiple_of for SwiGLU; 0 if it is out of range.
[[nodiscard]] std::int64_t automatic_hidden(const EncoderSpec& spec, double ratio,
                                            std::int64_t dim);

/// Spec as the text of a model folder's config.json (flat object, one key per field).
[[nodiscard]] std::string spec_to_json(const EncoderSpec& spec);

/// Inverse of spec_to_json; resolves and validates.
/// @throws FormatError, ConfigError with `where` (the file) in the message.
[[nodiscard]] EncoderSpec spec_from_json(std::string_view text, std::string_view where);

}  // namespace conopa::arch

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/host_tensor.h"

namespace conopa::arch {

/// How a tensor starts.
enum class Init {
  kConstant,  ///< every element = value
  kNormal,    ///< normal(0, value)
  kUniform,   ///< uniform(−value, value)
  kSinCos     ///< fixed sine-cosine positions of a grid, see TensorEntry
};

/// Which axis the first half of a sine-cosine position's channels encodes.
enum class SinCosOrder { kColumnFirst, kRowFirst };

/// One tensor of a model.
struct TensorEntry {
  std::string name;  ///< canonical name, also the key in model.safetensors
  Shape shape;
  Init init = Init::kConstant;
  double value = 0.0;          ///< constant, standard deviation or bound, see Init
  bool trainable = true;       ///< false: buffer (statistics, flags) or frozen
  bool frozen = false;         ///< of a frozen language model: kept by its source, not by training
  bool decay = false;          ///< weight decay applies
  std::int64_t layer = 0;      ///< 0: embeddings, i+1: block i, depth+1: final norm, head, neck
  std::int64_t grid_cols = 0;  ///< kSinCos: columns of the grid; the rows before it are zero
  std::int64_t grid_rows = 0;
  SinCosOrder order = SinCosOrder::kColumnFirst;
};

/// A tensor's place in a foreign checkpoint: the whole of a foreign tensor, a slice of its first
/// axis where other software keeps several of our tensors in one (gate and up projections, say), or
/// several foreign tensors of equal shape whose rows follow each other in ours (q, k and v).
struct ForeignTensor {
  std::string name;         ///< of the first part
  Shape shape;              ///< of the whole foreign tensor, of one part if there are several
  std::int64_t offset = 0;  ///< first row of our tensor
  std::vector<std::string> parts;  ///< empty: `name` alone
};

/// The only list of a model's tensors: module parameters, initialiser, optimiser groups, checkpoint
/// mapping, the engine's loader and `conopa inspect` all read it; nothing else spells a tensor name
/// of a checkpoint.
class TensorTable {
 public:
  /// @param spec resolved spec.
  explicit TensorTable(const EncoderSpec& spec);

  [[nodiscard]] const std::string& family_name() const noexcept { return family_; }
  [[nodiscard]] const std::vector<TensorEntry>& entries() const noexcept { return entries_; }
  [[nodiscard]] const TensorEntry* find(std::string_view name) const noexcept;
  /// Name of an entry in a foreign scheme ("canonical" is the identity).
  /// @throws ConfigError for a scheme the family does not know.
  [[nodiscard]] std::string foreign_name(std::string_view name, std::string_view scheme) const;
  /// The same with the slice: entries that share a foreign name are its rows in table order.
  /// @param name  of an entry.
  [[nodiscard]] ForeignTensor foreign(std::string_view name, std::string_view scheme) const;
  /// Elements of all trainable tensors.
  [[nodiscard]] std::int64_t parameter_count() const noexcept;

 private:
  std::string family_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

/// Gives a foreign tensor by name, or nothing.
using ForeignReader = std::function<std::optional<HostTensor>(const std::string& name)>;

/// Our tensor out of a foreign checkpoint: rows of a foreign tensor that holds several of ours,
/// foreign parts joined, leading axes of size 1 added or removed. A tensor whose shape is not what
/// the table expects is returned as it is, for the caller to compare shapes.
/// @return nothing if the checkpoint lacks it or one of its parts.
[[nodiscard]] std::optional<HostTensor> read_foreign(const ForeignTensor& foreign,
                                                     const TensorEntry& entry,
                                                     const ForeignReader& read);

/// Whether two shapes differ in nothing but leading axes of size 1.
[[nodiscard]] bool same_rows(const Shape& a, const Shape& b) noexcept;

/// The parts of our tensor as foreign software names them: pairs of name and tensor.
[[nodiscard]] std::vector<std::pair<std::string, HostTensor>> foreign_parts(
    const ForeignTensor& foreign, const HostTensor& own);

/// The names of one block's tensors and of the others, for executors: they ask for the role, the
/// spelling stays in the table's source.
namespace names {
inline constexpr std::string_view kClassToken = "cls_token";
inline constexpr std::string_view kPosition = "pos_embed";
inline constexpr std::string_view kPatchWeight = "patch_embed.proj.weight";
inline constexpr std::string_view kPatchBias = "patch_embed.proj.bias";
inline constexpr std::string_view kFinalNorm = "norm";
inline constexpr std::string_view kHead = "head";
inline constexpr std::string_view kHeadHidden = "head.hidden";
inline constexpr std::string_view kHeadNorm = "head_norm";
inline constexpr std::string_view kPoolQueries = "head.queries";
inline constexpr std::string_view kPoolKey = "head.k";
inline constexpr std::string_view kPoolValue = "head.v";
inline constexpr std::string_view kProjection = "projection";
inline constexpr std::string_view kTokenEmbed = "token_embed";
/// The PointNet of point groups; centres' positions and the class token's.
inline constexpr std::string_view kPointEmbed = "point_embed";
inline constexpr std::string_view kCentreHidden = "centre_embed.0";
inline constexpr std::string_view kCentreOut = "centre_embed.2";
inline constexpr std::string_view kClassPosition = "cls_pos";
inline constexpr std::string_view kMaskToken = "decoder.mask_token";
inline constexpr std::string_view kDecoderEmbed = "decoder.embed";
inline constexpr std::string_view kDecoderPosition = "decoder.pos_embed";
inline constexpr std::string_view kDecoderNorm = "decoder.norm";
inline constexpr std::string_view kDecoderOut = "decoder.pred";
inline constexpr std::string_view kDecoderBegin = "decoder.begin";  // learned first word
inline constexpr std::string_view kDecoderTokenEmbed = "decoder.token_embed";
inline constexpr std::string_view kDecoderTokenPosition = "decoder.token_pos";
inline constexpr std::string_view kDecoderTokenOut = "decoder.token_pred";
/// The linear layers before and behind a language block, and its last norm.
inline constexpr std::string_view kLanguageIn = "llm.mapper1";
inline constexpr std::string_view kLanguageOut = "llm.mapper2";
inline constexpr std::string_view kLanguageNorm = "llm.norm";
/// "point_embed.conv1": a layer of the PointNet: conv1 to conv4, norm1, norm2, reduce.
[[nodiscard]] std::string point_layer(std::string_view layer);
/// "blocks.3", "blocks.1.0" (block 0 of stage 1), "decoder.blocks.3".
[[nodiscard]] std::string block_prefix(std::int64_t index);
[[nodiscard]] std::string stage_block(std::int64_t stage, std::int64_t index);
[[nodiscard]] std::string decoder_block(std::int64_t index);
/// "llm.layers.0": a block of the language model.
[[nodiscard]] std::string language_layer(std::int64_t index);
/// Whether a tensor comes from the language model: its blocks and last norm, not the mappers.
[[nodiscard]] bool of_language_model(std::string_view name) noexcept;
/// "blocks.3.attn.qkv": prefix of a layer inside a block of a plain encoder, without ".weight".
[[nodiscard]] std::string block(std::int64_t index, std::string_view layer);
/// Patch convolution and norm of a stage, without ".weight"; plain encoders have stage 0 alone.
[[nodiscard]] std::string patch_proj(const EncoderSpec& spec, std::int64_t stage);
[[nodiscard]] std::string stage_patch_proj(std::int64_t stage);  // of a pyramid
[[nodiscard]] std::string patch_norm(const EncoderSpec& spec, std::int64_t stage);
/// Position embedding of a stage, and its conditional convolution without ".weight".
[[nodiscard]] std::string position(const EncoderSpec& spec, std::int64_t stage);
[[nodiscard]] std::string conditional(std::int64_t stage);
/// "fpn1.0": prefix of a layer of the neck.
[[nodiscard]] std::string neck(std::int64_t level, std::int64_t layer);
inline constexpr std::string_view kNorm1 = "norm1";
inline constexpr std::string_view kNorm2 = "norm2";
inline constexpr std::string_view kQkv = "attn.qkv";
inline constexpr std::string_view kQuery = "attn.q";
inline constexpr std::string_view kKeyValue = "attn.kv";
inline constexpr std::string_view kPool = "attn.sr";
inline constexpr std::string_view kPoolNorm = "attn.norm";
inline constexpr std::string_view kProj = "attn.proj";
inline constexpr std::string_view kQueryNorm = "attn.norm_q";
inline constexpr std::string_view kKeyNorm = "attn.norm_k";
inline constexpr std::string_view kQueryAct = "attn.q_act";
inline constexpr std::string_view kKeyAct = "attn.k_act";
inline constexpr std::string_view kValueAct = "attn.v_act";
inline constexpr std::string_view kMapAct = "attn.attn_act";
inline constexpr std::string_view kGate = "mlp.gate";
inline constexpr std::string_view kUp = "mlp.up";
inline constexpr std::string_view kDown = "mlp.down";
inline constexpr std::string_view kQkvLora = "attn.qkv.lora";
inline constexpr std::string_view kProjLora = "attn.proj.lora";
/// Whether a tensor belongs to a low-rank branch.
[[nodiscard]] bool is_lora(std::string_view name) noexcept;
/// Whether a tensor belongs to the mappers of a language block.
[[nodiscard]] bool is_mapper(std::string_view name) noexcept;
inline constexpr std::string_view kScale1 = "ls1";
inline constexpr std::string_view kScale2 = "ls2";
}  // namespace names

/// What a checkpoint and a table disagree about.
struct KeyReport {
  struct Reshaped {
    std::string name;  ///< canonical
    Shape expected, found;
  };
  std::vector<std::string> missing;     ///< in the table, not in the checkpoint (canonical names)
  std::vector<std::string> unexpected;  ///< in the checkpoint, not in the table (foreign names)
  std::vector<Reshaped> reshaped;
  [[nodiscard]] bool clean() const noexcept {
    return missing.empty() && unexpected.empty() && reshaped.empty();
  }
  /// One line: "2 missing (head.weight, ...), 1 unexpected (...), 0 reshaped".
  [[nodiscard]] std::string summary() const;
};

/// Names and shapes that a checkpoint holds.
using TensorIndex = std::map<std::string, Shape, std::less<>>;

/// Compares a checkpoint that uses `scheme` with the table.
[[nodiscard]] KeyReport compare_keys(const TensorTable& table, std::string_view scheme,
                                     const TensorIndex& checkpoint);

}  // namespace conopa::arch

#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/host_tensor.h"

namespace conopa::arch {

/// A published size of a family.
struct Preset {
  std::string_view name;     ///< registry name, e.g. "illama_tiny_patch16_224"
  std::string_view summary;  ///< one line with parameters and the paper's accuracy (marked so)
};

/// Replaces `from`, which must occur in a name, by `to`.
struct RenameRule {
  std::string_view from;
  std::string_view to;
  std::string_view within = {};  ///< only in names that start with this
};

/// One of our tensors that other software keeps in several, whose rows follow each other in ours:
/// names that contain `from` belong to one foreign tensor for every element of `to`.
struct JoinRule {
  std::string_view from;
  std::vector<std::string_view> to;
  std::string_view within = {};  ///< only in names that start with this
};

/// Tensor names of other software. A canonical name becomes a foreign one by the first rule of
/// `replace` that fits, and then by the first rule of `begin` whose `from` it starts with.
struct NamingScheme {
  std::string_view name;
  std::vector<RenameRule> replace;
  std::vector<RenameRule> begin = {};
  /// Starts of foreign names (ends, behind a '*') that such checkpoints hold and no model reads.
  std::vector<std::string_view> ignored = {};
  /// Taken before `replace`, which then does not apply.
  std::vector<JoinRule> joins = {};
  /// Whether the other software can run a model of this spec; null: any of the family.
  bool (*serves)(const EncoderSpec& spec) = nullptr;
  /// Our names of tensors that the other software keeps without a leading axis of 1.
  std::vector<std::string_view> flat = {};
  /// Tensors that such checkpoints hold though the spec tells them, by foreign name; null: none.
  std::vector<std::pair<std::string, HostTensor>> (*derived)(const EncoderSpec& spec) = nullptr;
  /// Foreign name of the logarithm of the factor of similarities, in checkpoints that hold an image
  /// and a text tower.
  std::string_view pair_scale = {};
};

/// Preprocessing that a family's models are released with.
struct ReleasedInput {
  std::array<double, 3> mean{}, std{};  ///< of samples in 0..1
  double crop_pct = 1.0;                ///< share of the resized short side that is cropped
  bool as_is = false;                   ///< images keep their size
};

/// config.json of a model on the Hub, beside its weights.
struct HubConfigFile {
  std::string_view text;
  std::string_view where;    ///< path, for messages
  std::string_view weights;  ///< path of the weights, for messages
};

/// Everything that is particular to a family; no other room knows a family's name.
struct Family {
  std::string_view name;
  std::string_view summary;
  std::vector<Preset> presets;
  /// Builds a preset's spec, not yet resolved (so that overrides of dim move the hidden width too).
  EncoderSpec (*make)(std::string_view preset) = nullptr;
  std::vector<NamingScheme> schemes;
  /// Guesses the spec from the names and shapes of a foreign checkpoint of this family; nothing if
  /// it is not one. Values that shapes cannot tell (heads) take the family's rule.
  std::optional<EncoderSpec> (*infer)(const TensorIndex& tensors) = nullptr;
  /// What names and shapes cannot tell about a guess of `infer`, and how to say it; null: nothing.
  std::vector<std::string> (*doubts)(const EncoderSpec& guess) = nullptr;
  /// Image side from which released models are evaluated on the squashed image, px; 0: never.
  std::int64_t squash_from = 0;
  /// Preprocessing of released models; null: that of the engine (ImageNet statistics, 0.875).
  ReleasedInput (*input)(const EncoderSpec& spec) = nullptr;
  /// Takes what a Hub config knows better than shapes (heads, image size, probed blocks) into a
  /// guess of `infer`, not yet resolved.
  /// @return false if the file is no config of this family's released models.
  /// @throws FormatError if it contradicts the shapes or is damaged.
  bool (*configure)(EncoderSpec& guess, const HubConfigFile& file) = nullptr;
  /// How many of the last blocks the released "last layers" probes read; 0: the final norm.
  std::int64_t probed_blocks = 0;
  /// Blocks of the best published probe for a size; empty: unknown. Null: for none.
  std::vector<std::int64_t> (*best_blocks)(const EncoderSpec& spec) = nullptr;
  /// Family of the text tower in checkpoints that hold both.
  std::string_view text_partner = {};
};

/// All families, in the order of their appearance in the docs.
[[nodiscard]] std::span<const Family> families();

/// @throws ConfigError naming the nearest family.
[[nodiscard]] const Family& family(std::string_view name);

/// Spec of a preset, not yet resolved.
/// @throws ConfigError naming the nearest preset.
[[nodiscard]] EncoderSpec preset_spec(std::string_view preset);

/// Registry names that match a shell-like pattern ('*' and '?').
[[nodiscard]] std::vector<Preset> find_presets(std::string_view pattern);

/// Canonical → foreign tensor name; the scheme "canonical" is the identity.
/// @throws ConfigError for an unknown scheme.
[[nodiscard]] std::string to_foreign(const Family& family, std::string_view scheme,
                                     std::string_view name);

/// The foreign tensors that hold ours if there are several; empty otherwise.
[[nodiscard]] std::vector<std::string> to_foreign_parts(const Family& family,
                                                        std::string_view scheme,
                                                        std::string_view name);

/// The scheme under which a checkpoint lacks the fewest of the spec's tensors.
[[nodiscard]] std::string best_scheme(const EncoderSpec& spec, const TensorIndex& tensors);

/// The scheme to write a model in: the one asked for, or the family's first that serves the spec.
/// @param scheme  empty: the family's choice. A word such as "transformers" stands for
///                "transformers_lit" where that one serves the spec and the short one does not.
/// @throws ConfigError for an unknown scheme; UnsupportedError if the family has none, or none (or
///         not the one asked for) serves the spec.
[[nodiscard]] std::string export_scheme(const Family& family, const EncoderSpec& spec,
                                        std::string_view scheme);

/// Foreign name of the factor in checkpoints of two towers.
/// @throws UnsupportedError if the scheme holds no pairs.
[[nodiscard]] std::string pair_scale(const Family& family, std::string_view scheme);

/// Whether a scheme keeps our tensor without its leading axis of 1.
[[nodiscard]] bool is_flat(const Family& family, std::string_view scheme, std::string_view name);

/// Tensors that a scheme's checkpoints hold beside ours, see NamingScheme::derived.
[[nodiscard]] std::vector<std::pair<std::string, HostTensor>> derived_tensors(
    const EncoderSpec& spec, std::string_view scheme);

/// Whether a foreign name is known to be of no use under a scheme.
[[nodiscard]] bool is_ignored(const Family& family, std::string_view scheme, std::string_view name);

/// A foreign checkpoint recognised by names and shapes.
struct InferredModel {
  EncoderSpec spec;  ///< resolved
  std::string scheme;
};

/// An image and a text tower in one checkpoint.
struct InferredPair {
  InferredModel image, text;
  std::string logit_scale;  ///< foreign name of the logarithm of the factor of similarities
};

/// Recognises checkpoints of two towers; nothing if there are not two.
/// @param configure  called with each tower's guess before it is resolved; may be empty.
[[nodiscard]] std::optional<InferredPair> infer_pair(
    const TensorIndex& tensors, const std::function<void(EncoderSpec& guess)>& configure = {});

/// Guess of the first family that recognises the tensors, not yet resolved.
/// @throws FormatError if none does.
[[nodiscard]] EncoderSpec guess_spec(const TensorIndex& tensors, std::string_view where);

/// Blocks for the head to read: "last", "best" or numbers "14,15".
/// @throws ConfigError for other words; UnsupportedError if no best blocks are published.
[[nodiscard]] std::vector<std::int64_t> probe_blocks(const EncoderSpec& spec,
                                                     std::string_view layers);

/// Asks every family in turn.
/// @throws FormatError if none recognises the tensors.
[[nodiscard]] InferredModel infer_model(const TensorIndex& tensors, std::string_view where);

}  // namespace conopa::arch

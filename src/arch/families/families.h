#pragma once

#include "conopa/arch/registry.h"

namespace conopa::arch {

// One function per file of this folder; registry.cpp lists them.
[[nodiscard]] Family illama_family();
[[nodiscard]] Family vit_family();
[[nodiscard]] Family lm4v_family();
[[nodiscard]] Family language_family();
[[nodiscard]] Family point_bert_family();
[[nodiscard]] Family visionllama_family();
[[nodiscard]] Family visionllama_pyramid_family();
[[nodiscard]] Family aim_v1_family();
[[nodiscard]] Family aim_v2_family();
[[nodiscard]] Family aim_v2_text_family();

/// The naming schemes that both VisionLLaMA families share: SwiGLU and GELU feed-forward layers.
[[nodiscard]] std::vector<NamingScheme> official_visionllama_schemes();

/// What the AIM families share: plain blocks without linear biases, a norm behind the patch
/// convolution, heads of 128 channels.
[[nodiscard]] EncoderSpec aim_common(std::string_view family);

/// Turns a spec into that of pre-training on next patches.
void make_next_patch(EncoderSpec& spec);

/// Norm behind the patch convolution: AIM has it, the other plain families do not.
inline constexpr std::string_view kPatchNormWeight = "patch_embed.norm.weight";

/// Sets dim, depth and heads of the size word ("tiny", "small", "base", "large") in a preset's
/// name; other names leave the spec alone.
void set_standard_size(EncoderSpec& spec, std::string_view preset);

/// Fills what the tensors of every plain (one-stage) encoder tell: dim, depth, patch, channels,
/// classes, and a square grid from the learned position embedding. Heads follow from a head width
/// of 64, which shapes cannot tell.
/// @param hidden  shape of a feed-forward weight [hidden, dim].
/// @return whether the tensors are those of such an encoder; the spec is unchanged if not.
/// @throws FormatError if the grid is not square.
[[nodiscard]] bool read_plain_shapes(EncoderSpec& spec, const TensorIndex& tensors,
                                     const Shape* hidden);

/// A checkpoint seen through a naming scheme.
class ForeignView {
 public:
  /// @param tensors  kept by reference.
  ForeignView(const Family& family, std::string_view scheme, const TensorIndex& tensors)
      : family_(family), scheme_(scheme), tensors_(tensors) {}

  /// Shape of the foreign tensor that holds the canonical one, or null.
  [[nodiscard]] const Shape* shape(std::string_view canonical) const;
  [[nodiscard]] bool has(std::string_view canonical) const { return shape(canonical) != nullptr; }
  [[nodiscard]] const std::string& scheme() const noexcept { return scheme_; }
  /// Whether such checkpoints hold the tensor and no model reads it.
  [[nodiscard]] bool ignores(std::string_view canonical) const;

 private:
  const Family& family_;
  std::string scheme_;
  const TensorIndex& tensors_;
};

/// Fills what the tensors of an AIM encoder tell under a view: sizes, norm, positions, biases,
/// read-out and head.
/// @return false if a tensor has another rank.
[[nodiscard]] bool read_aim_shapes(EncoderSpec& spec, const ForeignView& view);

/// Puts the names of a LLaMA block in released checkpoints (Meta's, under "llama.") in front of a
/// scheme's rules.
void add_language_names(NamingScheme& scheme);

/// Fills what the tensors of a language block tell under a view.
/// @return false if there is none.
[[nodiscard]] bool read_language_shapes(LanguageBlock& llm, const ForeignView& view);

/// The scheme ("canonical" included) under which the checkpoint has all required tensors and most
/// of the usual ones; the first of equals.
[[nodiscard]] std::optional<ForeignView> find_view(const Family& family, const TensorIndex& tensors,
                                                   const std::vector<std::string>& required,
                                                   const std::vector<std::string>& usual);

/// Side of a square of `count` patches; nothing if there is none.
[[nodiscard]] std::optional<std::int64_t> square_side(std::int64_t count);

/// Classes of the head that a view holds; 0 without one.
[[nodiscard]] std::int64_t read_classes(const ForeignView& view);

/// Shape of a tensor, or null.
[[nodiscard]] const Shape* shape_of(const TensorIndex& tensors, std::string_view name);

}  // namespace conopa::arch

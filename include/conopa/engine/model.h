#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/fields.h"
#include "conopa/io/tensor_source.h"
#include "conopa/kernels/isa.h"

namespace conopa::engine {

/// Arithmetic of the matrix products. Sums, norms, softmax, the residual stream and the head are
/// float32 in all of them.
enum class Precision : std::uint8_t {
  kAuto,  ///< int8 for a model stored so, else bf16 where the processor multiplies it, else fp32
  kFp32,
  kBf16,
  kInt8  ///< weights int8 per row, activations int8 per token; attention as bf16 (or fp32)
};

struct ModelOptions {
  Precision precision = Precision::kAuto;
  /// Highest instruction set of the kernels; nothing: kernels::active_isa().
  std::optional<kernels::Isa> isa = {};
  std::int64_t height = 0;  ///< px; 0: the stored model's
  std::int64_t width = 0;
  /// Loads the decoder that predicts the next patch too (Session::predict_patches), and all blocks.
  bool decoder = false;
};

/// An intermediate result that a session can show.
struct LayerInfo {
  /// "tokens_in", "block3_out", "stage1_block0_out", "final_norm"; of models that average blocks
  /// "read_tokens" instead of the final norm.
  std::string name;
  std::int64_t tokens = 0;  ///< N
  std::int64_t width = 0;   ///< D
};

/// A model ready to run: weights packed once for this processor. Immutable; copies share the
/// weights, and any number of sessions on any threads may run it at once. Blocks behind the last
/// one that the read-out averages are neither read nor run; LoRA branches are added to their
/// weights once.
class Model {
 public:
  /// Packs the weights of a model, its position embeddings resized if the options ask for it.
  ///
  /// @param spec     resolved spec that the weights belong to.
  /// @param weights  canonical names, as stored or quantised.
  /// @throws FormatError if a tensor is missing, has another shape or holds values that are not
  ///         finite; ConfigError if the model cannot have the size or has no decoder that the
  ///         options ask for; UnsupportedError for quantisation-aware (LSQ) models in another
  ///         precision than fp32, LoRA branches on quantised weights, and decoders other than
  ///         next-patch ones.
  /// @complexity O(parameters), parallel.
  [[nodiscard]] static Model load(const arch::EncoderSpec& spec, const TensorSource& weights,
                                  const ModelOptions& options = {});

  /// The same from a model folder (or a run folder's model/).
  /// @throws as load and open_model.
  [[nodiscard]] static Model open(const std::filesystem::path& path,
                                  const ModelOptions& options = {});

  /// The same weights for images of another size: position embeddings are resized, computed
  /// positions and rotations made anew.
  /// @throws ConfigError if the model cannot have the size, or reads tokens.
  /// @complexity O(N*D) time and memory for the tables of N tokens; the weights are shared. Each
  ///             session has activations of its own.
  [[nodiscard]] Model resized(std::int64_t height, std::int64_t width) const;

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept;
  [[nodiscard]] Precision precision() const noexcept;  ///< never kAuto
  [[nodiscard]] kernels::Isa isa() const noexcept;
  /// Bytes of packed weights and tables.
  [[nodiscard]] std::int64_t weight_bytes() const noexcept;
  /// What a session shows, in order; of blocks those that run.
  [[nodiscard]] std::vector<LayerInfo> layers() const;
  /// One line for every kind of layer: its kernel and how `batch` images would run.
  [[nodiscard]] std::vector<std::string> explain(std::int64_t batch) const;

  struct Impl;
  [[nodiscard]] const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit Model(std::shared_ptr<const Impl> impl) noexcept : impl_(std::move(impl)) {}

  std::shared_ptr<const Impl> impl_;
};

}  // namespace conopa::engine

template <>
struct conopa::EnumNames<conopa::engine::Precision> {
  static constexpr std::array<std::string_view, 4> kNames{"auto", "fp32", "bf16", "int8"};
};

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "conopa/core/dtype.h"
#include "conopa/llm/config.h"

namespace conopa::llm {

/// Order of the rows of q and k inside a head. Formats differ: rotary positions turn adjacent rows
/// in Meta and GGUF files, and row i with row i + head_dim/2 in Hugging Face files.
///
/// Without rotary positions the order is free: it is the same in q and k, so that it cancels in
/// every score q . k.
enum class RowOrder {
  kInterleaved,  ///< pairs are adjacent, as in Meta's files and conopa's own rotation
  kAsStored
};

struct LayerOptions {
  std::optional<DType> dtype = {};  ///< F32, F16 or BF16; nothing: as stored (quantised: F32)
  RowOrder order = RowOrder::kInterleaved;
};

/// A language model on disk, whose layers are read one by one.
///
/// Opens Meta folders (params.json, consolidated.NN.pth), Hugging Face folders (config.json with
/// safetensors or .bin files, one or several; LLaMA, Mistral, OPT) and GGUF files (`llama`; F32,
/// F16, BF16, Q8_0, Q4_0). Opening reads headers only; layer() touches the bytes of one layer.
/// Immutable, so thread-safe.
class LmSource {
 public:
  /// @param path  folder, or one of its checkpoint files; one of Meta's shards stands for all.
  /// @throws IoError if something is missing, FormatError if files are damaged or do not fit
  /// together, UnsupportedError for other architectures and for blocks that differ from config().
  [[nodiscard]] static LmSource open(const std::filesystem::path& path);

  /// Whether a path looks like a language model that open() knows, without opening its weights
  /// (GGUF: the header is read). Never throws for a path that is something else.
  [[nodiscard]] static bool recognises(const std::filesystem::path& path);

  LmSource(LmSource&&) noexcept;
  LmSource& operator=(LmSource&&) noexcept;
  ~LmSource();

  [[nodiscard]] const LmConfig& config() const noexcept;

  /// The tensors of a layer under the names that a block has here, without prefix: "norm1.weight"
  /// [D], "attn.qkv.weight" [3D, D] (q, k, v; keys and values of grouped queries are repeated to
  /// all heads), "attn.proj.weight" [D, D], "norm2.weight" [D], "mlp.gate.weight" [F, D] unless
  /// relu, "mlp.up.weight" [F, D], "mlp.down.weight" [D, F]; ".bias" beside each where config()
  /// says so. With post_norm, norm1 stands behind the attention and norm2 behind the feed-forward.
  ///
  /// @param index  0-based.
  /// @throws ConfigError for an index that is not there; FormatError listing the tensors that are
  /// missing or have other shapes; UnsupportedError listing tensors of the layer that such a block
  /// does not have, or naming an element type that cannot be read.
  /// @complexity the memory of one layer, and of its largest matrix once more.
  [[nodiscard]] LmTensors layer(std::int64_t index, const LayerOptions& options = {}) const;

  /// "norm.weight" [D] and, for layer norms, "norm.bias"; empty for a model without one
  /// (post_norm).
  /// @throws FormatError, UnsupportedError as layer().
  [[nodiscard]] LmTensors final_norm(std::optional<DType> dtype = {}) const;

  /// File names without folders, format and number of layers, for records of where weights came
  /// from: "consolidated.00.pth (Meta, 32 layers)".
  [[nodiscard]] std::string describe() const;
  /// Path for messages.
  [[nodiscard]] const std::string& where() const noexcept;

  /// 16 hexadecimal digits that depend on names, shapes and values as float32. Layers read with
  /// kInterleaved have one hash in all formats that hold the same values, at any dtype that holds
  /// them exactly. Tells copies apart, no protection against intent (core/fingerprint.h).
  [[nodiscard]] static std::string hash_of(const LmTensors& tensors);

 private:
  struct Impl;
  explicit LmSource(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace conopa::llm

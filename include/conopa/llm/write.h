#pragma once

#include <filesystem>
#include <optional>

#include "conopa/core/dtype.h"
#include "conopa/llm/config.h"

/// Writers of whole LLaMA models.
///
/// Both take every tensor of the model under its canonical name: "token_embed.weight" [V, D],
/// "blocks.0.norm1.weight" and the other tensors of LmSource::layer behind "blocks.N.",
/// "norm.weight" [D] and "head.weight" [V, D]. Rows of q and k are in interleaved order; with
/// grouped queries, qkv has kv_dim() rows of keys and of values, [D + 2 kv_dim, D]. V is
/// config.vocabulary. Only the LLaMA block can be written: RMS norms, SwiGLU, no biases.
namespace conopa::llm {

struct WriteOptions {
  std::optional<DType> dtype = {};  ///< of the file; nothing: as given
};

/// Writes params.json and consolidated.00.pth, both atomically. The format has no place for the
/// context length. The parameters of the feed-forward rule are chosen so that the rule gives
/// config.hidden.
/// @throws UnsupportedError for another block, FormatError listing tensors that are missing,
/// unknown or of another shape, and if the folder holds further shards; IoError if it cannot be
/// written.
void write_meta(const std::filesystem::path& folder, const LmConfig& config,
                const LmTensors& tensors, const WriteOptions& options = {});

/// Writes config.json and model.safetensors (shards and an index beyond 5 GB) as a
/// LlamaForCausalLM, rows of q and k in half order.
/// @throws as write_meta.
void write_hf(const std::filesystem::path& folder, const LmConfig& config, const LmTensors& tensors,
              const WriteOptions& options = {});

}  // namespace conopa::llm

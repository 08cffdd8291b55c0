#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/gguf.h"
#include "conopa/io/tensor_source.h"
#include "conopa/llm/config.h"

namespace conopa::testing {

/// A LLaMA of three layers with grouped queries and rows of whole 32-element blocks.
[[nodiscard]] llm::LmConfig small_llama();

/// All tensors of a LLaMA under canonical names, random, as write_meta takes them.
[[nodiscard]] llm::LmTensors random_llama(const llm::LmConfig& config, DType dtype = DType::kF32,
                                          std::uint64_t seed = 0);

/// What LmSource::layer shall give of them.
[[nodiscard]] llm::LmTensors expected_layer(const llm::LmConfig& config,
                                            const llm::LmTensors& model, std::int64_t index);

/// Cuts a model into the shards that Meta's parallelism gives and writes them with params.json.
void write_meta_shards(const std::filesystem::path& folder, const llm::LmConfig& config,
                       const llm::LmTensors& model, std::int64_t shards);

/// How the matrices of a GGUF file are stored: "F32", "F16", "BF16", "Q8_0" or "Q4_0".
[[nodiscard]] std::vector<GgufTensor> gguf_tensors(const llm::LmConfig& config,
                                                   const llm::LmTensors& model,
                                                   std::string_view type);
[[nodiscard]] GgufEntries gguf_entries(const llm::LmConfig& config);

/// Every tensor of a source but those whose names contain a text.
[[nodiscard]] std::vector<NamedTensor> without(const TensorSource& source, std::string_view text);

[[nodiscard]] bool same_tensors(const llm::LmTensors& a, const llm::LmTensors& b);

/// Folder of data beside the tests.
[[nodiscard]] std::filesystem::path llm_data(std::string_view name);

}  // namespace conopa::testing

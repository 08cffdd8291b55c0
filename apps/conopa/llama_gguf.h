#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "conopa/core/dtype.h"
#include "model_store.h"

namespace conopa::app {

/// Why llama.cpp's `llama` architecture cannot compute a model's blocks; nothing if it can: RMS
/// norms, SwiGLU, one-dimensional rotation of whole heads, a causal (−inf) or no mask, and nothing
/// that `llama` lacks. Patch embedding, class token and positions come before the blocks, so any
/// will do.
[[nodiscard]] std::optional<std::string> llama_obstacle(const arch::EncoderSpec& spec);

/// Writes the blocks, the final norm and the head of a model as a GGUF file of the architecture
/// `llama`, atomically, for stock llama.cpp to run on input embeddings: every token behind class
/// token and position embedding. Its "vocabulary" are the classes.
///
/// Queries and keys keep their order of rows: `llama` rotates adjacent pairs too. The head is the
/// token embedding, which llama.cpp also takes for the output; its bias, for which `llama` has no
/// tensor, is the metadata `classes.bias`. Spec, preprocessing and class names go in as in
/// export_gguf. Vectors are F32,
/// Q8_0 and Q4_0 matrices stay what they are.
///
/// @param dtype  of the matrices; nothing: as they are (F64 becomes F32).
/// @return how many tensors were written.
/// @throws UnsupportedError naming the obstacle, and for int8 weights; otherwise as export_gguf.
std::size_t export_llama_gguf(const StoredModel& model, std::optional<DType> dtype,
                              const std::filesystem::path& path);

}  // namespace conopa::app

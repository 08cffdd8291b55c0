#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace conopa::testing {

/// What llama.cpp computed of one sequence.
struct LlamaOutput {
  std::vector<float> states;  ///< [N, D] behind the final norm
  std::vector<float> logits;  ///< [N, vocabulary]
};

/// The stock library of llama.cpp, loaded at run time; everything on the processor in one thread,
/// keys and values cached as float32.
class LlamaCpp {
 public:
  /// @param folder  with libllama.*.so and its backends, of the version that llama_cpp.cpp
  /// declares.
  /// @throws std::runtime_error if it cannot be loaded.
  explicit LlamaCpp(const std::filesystem::path& folder);
  ~LlamaCpp();
  LlamaCpp(const LlamaCpp&) = delete;
  LlamaCpp& operator=(const LlamaCpp&) = delete;

  /// Runs a model on one sequence of embeddings.
  /// @param embeddings  [N, D].
  /// @throws std::runtime_error with the library's log if it refuses the model.
  [[nodiscard]] LlamaOutput run(const std::filesystem::path& model,
                                std::span<const float> embeddings, std::int64_t width,
                                std::int64_t vocabulary);

 private:
  struct Library;
  std::unique_ptr<Library> library_;
};

}  // namespace conopa::testing

#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/weight_selection.h"
#include "conopa/io/tensor_source.h"

namespace conopa::app {

/// A LLaMA checkpoint whose tensors are read one by one; nothing else of its files is touched.
///
/// Opens Hugging Face checkpoints (safetensors or `.bin`, one file or sharded) and Meta's
/// `consolidated.NN.pth`. Meta splits each matrix over the files of a folder: wq, wk, wv, w1, w3 by
/// rows, wo, w2 by columns, norms are repeated; they are joined again when read.
class LlamaTeacher {
 public:
  /// @param path  checkpoint file, shard index, or a folder that holds one; one of several
  ///              consolidated files stands for all of them.
  /// @throws IoError, FormatError, UnsupportedError as open_checkpoint; FormatError if the tensors
  ///         are not those of a LLaMA.
  explicit LlamaTeacher(const std::filesystem::path& path);

  [[nodiscard]] arch::LlamaNaming naming() const noexcept { return naming_; }
  /// Number of files a tensor is split over.
  [[nodiscard]] std::size_t parts() const noexcept { return parts_.size(); }
  [[nodiscard]] const std::string& where() const noexcept { return where_; }
  /// Consecutive layers from 0.
  [[nodiscard]] std::int64_t layers() const;

  /// The whole tensor under the name that arch::llama_selection uses.
  /// @throws FormatError if a part lacks it or the parts do not fit together.
  [[nodiscard]] HostTensor read(std::string_view name) const;

 private:
  [[nodiscard]] std::string stored_name(std::string_view name) const;

  std::string where_;
  arch::LlamaNaming naming_ = arch::LlamaNaming::kHuggingFace;
  bool without_prefix_ = false;  // Hugging Face names saved without "model."
  std::vector<std::unique_ptr<TensorSource>> parts_;
};

}  // namespace conopa::app

#include "llama_teacher.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/io/checkpoint.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "model.";

bool is_consolidated(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("consolidated.") && name.ends_with(".pth");
}

std::vector<fs::path> consolidated_files(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (is_consolidated(it->path())) found.push_back(it->path());
  }
  if (error) throw IoError(folder.string(), "cannot read the folder: {}", error.message());
  std::sort(found.begin(), found.end());
  return found;
}

bool holds_hugging_face(const fs::path& folder) {
  constexpr std::array<std::string_view, 4> kNames{
      "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
      "pytorch_model.bin.index.json"};
  return std::any_of(kNames.begin(), kNames.end(), [&folder](std::string_view name) {
    std::error_code ignored;
    return fs::exists(folder / name, ignored);
  });
}

std::vector<fs::path> files_of(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (holds_hugging_face(path)) return {path};
    std::vector<fs::path> found = consolidated_files(path);
    return found.empty() ? std::vector<fs::path>{path} : found;
  }
  if (!is_consolidated(path) || !fs::exists(path, ignored)) return {path};
  const fs::path folder = path.parent_path();
  return consolidated_files(folder.empty() ? fs::path(".") : folder);
}

// How Meta's model parallelism cuts a tensor.
enum class Cut { kRows, kColumns, kRepeated };

Cut cut_of(std::string_view name) {
  for (const std::string_view part : {".wq.", ".wk.", ".wv.", ".w1.", ".w3."}) {
    if (name.find(part) != std::string_view::npos) return Cut::kRows;
  }
  for (const std::string_view part : {".wo.", ".w2."}) {
    if (name.find(part) != std::string_view::npos) return Cut::kColumns;
  }
  return Cut::kRepeated;
}

}  // namespace

LlamaTeacher::LlamaTeacher(const fs::path& path) : where_(path.string()) {
  for (const fs::path& file : files_of(path)) parts_.push_back(open_checkpoint(file));
  const TensorSource& first = *parts_.front();
  if (first.contains("layers.0.attention.wq.weight")) {
    naming_ = arch::LlamaNaming::kMeta;
  } else if (first.contains("layers.0.self_attn.q_proj.weight")) {
    without_prefix_ = true;
  } else if (!first.contains("model.layers.0.self_attn.q_proj.weight")) {
    throw FormatError(where_,
                      "expected the tensors of a LLaMA (model.layers.0.self_attn.q_proj.weight or "
                      "layers.0.attention.wq.weight), found {} tensors{}; check the path",
                      first.names().size(),
                      first.names().empty() ? "" : " such as " + first.names().front());
  }
}

std::int64_t LlamaTeacher::layers() const {
  const bool meta = naming_ == arch::LlamaNaming::kMeta;
  std::int64_t count = 0;
  const auto name = [&](std::int64_t i) {
    return fmt::format("{}layers.{}.{}.weight", meta ? "" : kPrefix, i,
                       meta ? "attention.wq" : "self_attn.q_proj");
  };
  while (parts_.front()->contains(stored_name(name(count)))) ++count;
  return count;
}

std::string LlamaTeacher::stored_name(std::string_view name) const {
  if (without_prefix_ && name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return std::string(name);
}

HostTensor LlamaTeacher::read(std::string_view name) const {
  const std::string stored = stored_name(name);
  if (parts_.size() == 1) return parts_.front()->read(stored);
  const Cut cut = cut_of(stored);
  if (cut == Cut::kRepeated) return parts_.front()->read(stored);
  std::vector<HostTensor> pieces;
  for (const auto& part : parts_) pieces.push_back(part->read(stored));
  return cut == Cut::kRows ? arch::concat_rows(pieces) : arch::concat_columns(pieces);
}

}  // namespace conopa::app

#include "conopa/llm/source.h"

#include <span>
#include <system_error>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/fingerprint.h"
#include "conopa/io/checkpoint.h"
#include "llm/opened.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool holds_hugging_face(const fs::path& folder) {
  for (const std::string_view name : {"model.safetensors", "model.safetensors.index.json",
                                      "pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (is_there(folder / name)) return is_there(folder / "config.json");
  }
  return false;
}

std::vector<fs::path> gguf_files(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::path> out;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (it->path().extension() == ".gguf") out.push_back(it->path());
  }
  return out;
}

enum class Form { kMeta, kHuggingFace, kGguf };
struct Found {
  Form form;
  fs::path path;
};

[[noreturn]] void refuse(const fs::path& path) {
  throw FormatError(path.string(),
                    "expected a language model: params.json with consolidated.00.pth, config.json "
                    "with its weights, or a GGUF file; found none of them; check the path");
}

Found find_in_folder(const fs::path& folder) {
  // A folder may hold both forms of one model.
  if (holds_hugging_face(folder)) return {Form::kHuggingFace, folder};
  if (is_there(folder / "params.json")) return {Form::kMeta, folder};
  if (is_there(folder / "config.json")) return {Form::kHuggingFace, folder};
  if (!meta_shards(folder).empty()) {
    throw IoError(folder.string(),
                  "expected params.json beside consolidated.00.pth, found none; copy it there");
  }
  const std::vector<fs::path> files = gguf_files(folder);
  if (files.size() == 1) return {Form::kGguf, files.front()};
  if (files.size() > 1) {
    throw FormatError(folder.string(), "expected one GGUF file in the folder, found {}; name one",
                      files.size());
  }
  refuse(folder);
}

Found find_source(const fs::path& path) {
  if (is_folder(path)) return find_in_folder(path);
  if (recognise_checkpoint(*MappedFile::open(path)) == CheckpointKind::kGguf) {
    return {Form::kGguf, path};
  }
  const fs::path folder = path.parent_path();
  const bool params = is_there(folder / "params.json");
  if (params && is_meta_shard(path)) return {Form::kMeta, path};
  if (is_there(folder / "config.json")) return {Form::kHuggingFace, path};
  if (params) return {Form::kMeta, path};
  throw IoError(path.string(),
                "expected config.json or params.json beside the weights, found neither; copy it "
                "there");
}

Opened open_any(const fs::path& path) {
  const Found found = find_source(path);
  switch (found.form) {
    case Form::kMeta:
      return open_meta(found.path);
    case Form::kHuggingFace:
      return open_hugging_face(found.path);
    case Form::kGguf:
      return open_gguf(found.path);
  }
  refuse(path);
}

}  // namespace

struct LmSource::Impl {
  Opened opened;
};

LmSource::LmSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LmSource::LmSource(LmSource&&) noexcept = default;
LmSource& LmSource::operator=(LmSource&&) noexcept = default;
LmSource::~LmSource() = default;

LmSource LmSource::open(const fs::path& path) {
  return LmSource(std::make_unique<Impl>(Impl{open_any(path)}));
}

bool LmSource::recognises(const fs::path& path) {
  try {
    const Found found = find_source(path);
    if (found.form == Form::kGguf) return is_language_gguf(found.path);
    if (found.form == Form::kMeta) return true;
    const fs::path folder = is_folder(found.path) ? found.path : found.path.parent_path();
    return is_hugging_face_config(folder / "config.json");
  } catch (const Error&) {
    return false;  // whatever it is, open() says what is wrong with it
  }
}

const LmConfig& LmSource::config() const noexcept { return impl_->opened.config; }

LmTensors LmSource::layer(std::int64_t index, const LayerOptions& options) const {
  return read_layer(impl_->opened, index, options);
}

LmTensors LmSource::final_norm(std::optional<DType> dtype) const {
  return read_final_norm(impl_->opened, dtype);
}

std::string LmSource::describe() const { return impl_->opened.describe(); }

const std::string& LmSource::where() const noexcept { return impl_->opened.where; }

std::string LmSource::hash_of(const LmTensors& tensors) {
  Fingerprint out;
  for (const auto& [name, tensor] : tensors) {
    const std::vector<float> values = tensor.to_f32();
    out.add(name).add(to_string(tensor.shape())).add(std::as_bytes(std::span(values)));
  }
  return out.hex();
}

}  // namespace conopa::llm

// GGUF files of the architecture `llama` (which Mistral's files have too).

#include "conopa/io/gguf.h"

#include <string>

#include "conopa/core/error.h"
#include "llm/opened.h"

namespace conopa::llm {
namespace {

constexpr std::string_view kArchitecture = "llama";

std::optional<std::string_view> architecture(const GgufFile& file) {
  const GgufValue* value = file.find("general.architecture");
  return value == nullptr ? std::nullopt : value->as_string();
}

/// Reads the keys of the architecture.
class Keys {
 public:
  explicit Keys(const GgufFile& file) : file_(file) {}

  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (const std::optional<std::int64_t> out = value->as_int()) return out;
    refuse(key, "an integer", value->describe());
  }
  [[nodiscard]] std::int64_t require(std::string_view key) const {
    if (const std::optional<std::int64_t> out = integer(key)) return *out;
    refuse(key, "an integer", "nothing");
  }
  [[nodiscard]] std::optional<double> number(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    const std::optional<double> out = value->as_float();
    if (!out) refuse(key, "a number", value->describe());
    // Float32 holds a neighbour of 1e-6: what was meant is its shortest decimal form.
    return value->kind() == GgufKind::kF32 ? std::stod(fmt::format("{}", static_cast<float>(*out)))
                                           : *out;
  }

 private:
  [[nodiscard]] const GgufValue* find(std::string_view key) const {
    return file_.find(fmt::format("{}.{}", kArchitecture, key));
  }
  [[noreturn]] void refuse(std::string_view key, std::string_view expected,
                           const std::string& found) const {
    throw FormatError(file_.where(), "expected {} under '{}.{}', found {}; the file is incomplete",
                      expected, kArchitecture, key, found);
  }

  const GgufFile& file_;
};

void require_architecture(const GgufFile& file) {
  const std::optional<std::string_view> found = architecture(file);
  if (found == kArchitecture) return;
  throw UnsupportedError(file.where(),
                         "expected a GGUF file of the architecture '{}', found '{}'; blocks of "
                         "others differ",
                         kArchitecture, found.value_or("nothing"));
}

LmConfig read_config(const GgufFile& file) {
  const Keys keys(file);
  LmConfig out;
  out.dim = keys.require("embedding_length");
  out.layers = keys.require("block_count");
  out.heads = keys.require("attention.head_count");
  out.kv_heads = keys.integer("attention.head_count_kv").value_or(out.heads);
  out.hidden = keys.require("feed_forward_length");
  out.vocabulary = keys.integer("vocab_size").value_or(0);
  out.context = keys.integer("context_length").value_or(0);
  out.norm_eps = keys.number("attention.layer_norm_rms_epsilon").value_or(1e-5);
  out.rope_theta = keys.number("rope.freq_base").value_or(10000.0);
  if (const std::int64_t width = keys.integer("attention.key_length").value_or(out.head_dim());
      width != out.head_dim()) {
    throw UnsupportedError(file.where(),
                           "expected heads of width embedding_length/head_count = {}, found {}; "
                           "such blocks cannot be read",
                           out.head_dim(), width);
  }
  if (keys.integer("expert_count").value_or(0) > 0) {
    throw UnsupportedError(file.where(), "found a mixture of experts; such blocks cannot be read");
  }
  return out;
}

void refuse_splits(const GgufFile& file) {
  const GgufValue* count = file.find("split.count");
  const std::int64_t files = count == nullptr ? 1 : count->as_int().value_or(1);
  if (files <= 1) return;
  throw UnsupportedError(file.where(),
                         "found one of {} parts of a model; join them with `llama-gguf-split "
                         "--merge` first",
                         files);
}

}  // namespace

bool is_language_gguf(const std::filesystem::path& path) {
  return architecture(*GgufFile::open(path)) == kArchitecture;
}

Opened open_gguf(const std::filesystem::path& path) {
  std::unique_ptr<GgufFile> file = GgufFile::open(path);
  require_architecture(*file);
  refuse_splits(*file);
  Opened out;
  out.where = path.string();
  out.config = read_config(*file);
  out.config.validate(out.where);
  out.naming = &gguf_llama_naming();
  out.base = find_base(*out.naming, *file);
  if (const std::string embedding(out.naming->embedding);
      out.config.vocabulary == 0 && file->contains(embedding)) {
    const Shape& shape = file->info(embedding).shape;
    if (!shape.empty()) out.config.vocabulary = shape.front();
  }
  out.parts.push_back(std::move(file));
  return out;
}

}  // namespace conopa::llm

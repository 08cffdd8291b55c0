#include "conopa/io/model_folder.h"

#include <fcntl.h>
#include <stdio.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/mapped_file.h"
#include "io/durable.h"
#include "io/io_fault.h"

namespace conopa {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kPreprocessor = "preprocessor_config.json";
constexpr std::string_view kReadme = "README.md";
constexpr std::string_view kLanguage = "llm.json";
constexpr std::string_view kWeights = "model.safetensors";
constexpr std::string_view kWeightsIndex = "model.safetensors.index.json";

bool is_json_object(std::string_view text) {
  // Only the events matter: accept() would take any JSON value.
  return text.find_first_not_of(" \t\r\n") != std::string_view::npos &&
         text[text.find_first_not_of(" \t\r\n")] == '{' && nlohmann::json::accept(text);
}

/// A folder under construction, removed with its content unless it was moved into place.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {
    ensure_directory(folder_of(path_));
    std::error_code error;
    fs::create_directory(path_, error);
    if (error) throw_io_error(path_, error.value(), "create the folder");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

bool belongs_to_model(const fs::path& path) {
  const std::string name = path.filename().string();
  const bool weights = name.starts_with("model") && name.ends_with(".safetensors");
  return path_kind(path) == PathKind::kFile &&
         (name == kConfig || name == kPreprocessor || name == kReadme || name == kLanguage ||
          name == kWeightsIndex || weights);
}

/// Refuses to replace anything that write_model_folder would not have written.
void check_replaceable(const fs::path& path, bool overwrite) {
  if (path_kind(path) != PathKind::kFolder) {
    throw IoError(path.string(), "expected a folder or nothing, found a file; choose another path");
  }
  if (list_folder(path).empty()) return;
  if (!overwrite) {
    throw IoError(path.string(),
                  "the folder exists already; choose another path or allow "
                  "overwriting");
  }
  for (const fs::path& inside : list_folder(path)) {
    if (belongs_to_model(inside)) continue;
    throw IoError(path.string(),
                  "the folder holds '{}', which belongs to no model, so it is not "
                  "replaced; choose another path",
                  inside.filename().string());
  }
}

/// Puts `fresh` in the place of `target`; what was there ends up at `fresh`.
void move_into_place(const fs::path& fresh, const fs::path& target) {
  if (!path_exists(target) || list_folder(target).empty()) {
    if (::rename(fresh.c_str(), target.c_str()) != 0) {
      throw_io_error(target, errno, "rename into place");
    }
    return;
  }
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) return;
  // A file system without atomic exchange: the name is missing for a moment.
  const fs::path aside = temporary_sibling(target);
  if (::rename(target.c_str(), aside.c_str()) != 0) {
    throw_io_error(target, errno, "move the old folder aside");
  }
  if (::rename(fresh.c_str(), target.c_str()) != 0) {
    const int error = errno;
    static_cast<void>(::rename(aside.c_str(), target.c_str()));
    throw_io_error(target, error, "rename into place", "the old folder was put back");
  }
  std::error_code ignored;
  fs::remove_all(aside, ignored);
}

std::optional<std::string> read_optional(const fs::path& path) {
  if (!path_exists(path)) return std::nullopt;
  return read_text_file(path);
}

void check_json(const std::string& text, const fs::path& path) {
  if (is_json_object(text)) return;
  throw FormatError(path.string(),
                    "expected a JSON object, found something else; the file is "
                    "damaged, download it again");
}

}  // namespace

void write_model_folder(const std::filesystem::path& path, const ModelFolderContent& content,
                        const ModelFolderOptions& options) {
  for (const std::string* text : {&content.config_json, &content.preprocessor_json}) {
    if (!text->empty() && !is_json_object(*text)) {
      throw ConfigError(path.string(), "the configuration to write is not a JSON object");
    }
  }
  fs::path target = fs::absolute(path).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();  // drops a trailing slash
  if (path_exists(target)) check_replaceable(target, options.overwrite);
  const TemporaryFolder fresh(temporary_sibling(target));
  const auto write_text = [&fresh](std::string_view name, const std::string& text) {
    if (!text.empty()) write_file_atomically(fresh.path() / name, text);
  };
  write_text(kConfig, content.config_json);
  write_text(kPreprocessor, content.preprocessor_json);
  write_text(kReadme, content.readme);
  write_text(kLanguage, content.language_json);
  if (content.source != nullptr) {
    write_sharded(fresh.path(), *content.source, content.metadata, options.max_shard_bytes);
  } else {
    write_sharded(fresh.path(), content.tensors, content.metadata, options.max_shard_bytes);
  }
  move_into_place(fresh.path(), target);
  if (const int error = sync_folder(folder_of(target)); error != 0) {
    throw_io_error(target, error, "flush its folder to disk");
  }
}

ModelFolder open_model_folder(const std::filesystem::path& path) {
  if (path_kind(path) != PathKind::kFolder) {
    throw IoError(path.string(), "expected a model folder, found {}; check the path",
                  path_exists(path) ? "a file" : "nothing");
  }
  if (!path_exists(path / kConfig)) {
    throw IoError(path.string(),
                  "expected {} in the model folder, found none; import the "
                  "checkpoint first",
                  kConfig);
  }
  const bool single = path_exists(path / kWeights);
  if (!single && !path_exists(path / kWeightsIndex)) {
    throw IoError(path.string(),
                  "expected {} or {} in the model folder, found neither; copy the "
                  "weights there",
                  kWeights, kWeightsIndex);
  }
  ModelFolder folder;
  folder.config_json = read_text_file(path / kConfig);
  check_json(folder.config_json, path / kConfig);
  folder.preprocessor_json = read_optional(path / kPreprocessor);
  if (folder.preprocessor_json) check_json(*folder.preprocessor_json, path / kPreprocessor);
  folder.readme = read_optional(path / kReadme);
  folder.weights = open_checkpoint(path / (single ? kWeights : kWeightsIndex));
  return folder;
}

}  // namespace conopa

#include "pair_folder.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/mapped_file.h"
#include "model_store.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kFile = "pair.json";
constexpr std::string_view kFormat = "conopa-pair";
constexpr std::int64_t kMaxBytes = 1 << 16;

// A plain name, so that the file cannot lead out of its folder.
std::string folder_of(const Json& json, const char* key, const std::string& where) {
  const auto it = json.find(key);
  if (it != json.end() && it->is_string()) {
    std::string name = it->get<std::string>();
    const bool plain = !name.empty() && name != "." && name != ".." &&
                       name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
    if (plain) return name;
  }
  throw FormatError(where, "expected '{}' to be the name of a folder beside it; import again", key);
}

}  // namespace

bool is_pair_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path / kFile, ignored);
}

PairFolder read_pair_folder(const fs::path& path) {
  const std::string where = (path / kFile).string();
  const Json json = Json::parse(read_text_file(path / kFile, kMaxBytes), nullptr, false);
  if (!json.is_object() || !json.contains("format") || json["format"] != kFormat) {
    throw FormatError(where,
                      "expected a JSON object of the format {}, found something else; "
                      "import the checkpoint again",
                      kFormat);
  }
  const auto scale = json.find("logit_scale");
  if (scale == json.end() || !scale->is_number() || !std::isfinite(scale->get<double>())) {
    throw FormatError(where, "expected logit_scale to be a finite number; import again");
  }
  return {.path = path,
          .logit_scale = scale->get<double>(),
          .image = folder_of(json, "image", where),
          .text = folder_of(json, "text", where)};
}

void write_pair_file(const PairFolder& pair) {
  const Json json{{"format", kFormat},
                  {"logit_scale", pair.logit_scale},
                  {"image", pair.image},
                  {"text", pair.text}};
  write_file_atomically(pair.path / kFile, json.dump(2) + "\n");
}

void prepare_pair_folder(const fs::path& path, bool overwrite) {
  check_output_folder(path, overwrite);
  std::error_code ignored;
  if (!fs::exists(path, ignored) || fs::is_empty(path, ignored)) return;
  if (!is_pair_folder(path)) {
    throw IoError(path.string(),
                  "expected a pair of models to replace, found other files; choose another --out");
  }
  fs::remove(path / kFile, ignored);
}

}  // namespace conopa::app

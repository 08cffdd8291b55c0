#include "points/fps_cache.h"

#include <array>
#include <memory>
#include <string>

#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/io/safetensors.h"

namespace conopa::points {
namespace {

constexpr const char* kFingerprint = "fingerprint";

}  // namespace

std::optional<CloudSet> load_fps_cache(const std::filesystem::path& path,
                                       std::string_view fingerprint) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
  try {
    const std::unique_ptr<SafetensorsFile> file = SafetensorsFile::open(path);
    const auto found = file->metadata().find(kFingerprint);
    if (found == file->metadata().end() || found->second != fingerprint) {
      log_warning("{} belongs to other files; it is made again", path.string());
      return std::nullopt;
    }
    return CloudSet{.name = path.string(),
                    .points = file->read("points"),
                    .labels = file->read("labels").to_i64(),
                    .class_names = {}};
  } catch (const Error& error) {
    log_warning("{}; the cache is made again", error.what());
    return std::nullopt;
  }
}

void save_fps_cache(const std::filesystem::path& path, const CloudSet& set,
                    std::string_view fingerprint) {
  const std::array<NamedTensor, 2> tensors{
      NamedTensor{"points", set.points},
      NamedTensor{"labels", HostTensor::of<std::int64_t>(DType::kI64, {set.size()}, set.labels)}};
  try {
    write_safetensors(path, tensors, {{kFingerprint, std::string(fingerprint)}});
  } catch (const IoError& error) {
    log_warning("{}; the next start reads the text files again", error.what());
  }
}

}  // namespace conopa::points

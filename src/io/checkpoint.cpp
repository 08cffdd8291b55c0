#include "conopa/io/checkpoint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/io/gguf.h"
#include "conopa/io/npz.h"
#include "conopa/io/quantised.h"
#include "conopa/io/safetensors.h"
#include "conopa/io/sharded.h"
#include "conopa/io/zip_reader.h"
#include "io/io_fault.h"
#include "io/open_stored.h"

namespace conopa {
namespace {

/// Names that a folder's checkpoint usually has, best first.
constexpr std::array<std::string_view, 6> kUsualNames{
    "model.safetensors",        "model.safetensors.index.json",
    "pytorch_model.bin",        "pytorch_model.bin.index.json",
    "consolidated.safetensors", "consolidated.00.pth"};
constexpr std::array<std::string_view, 8> kExtensions{".safetensors", ".pth", ".pt",  ".bin",
                                                      ".ckpt",        ".npz", ".npy", ".gguf"};

std::string_view head_of(const MappedFile& file) {
  constexpr std::size_t kHead = 64;
  const auto bytes = file.bytes().first(std::min(kHead, file.bytes().size()));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

CheckpointKind recognise_zip(const MappedFile& file) {
  // A non-owning pointer: the reader does not outlive this call.
  const ZipReader zip(std::shared_ptr<const MappedFile>(std::shared_ptr<void>(), &file));
  bool arrays = false;
  for (const ZipEntry& entry : zip.entries()) {
    if (entry.name == "data.pkl" || entry.name.ends_with("/data.pkl")) {
      return CheckpointKind::kPthZip;
    }
    arrays = arrays || entry.name.ends_with(".npy");
  }
  if (arrays) return CheckpointKind::kNpz;
  throw FormatError(file.name(),
                    "expected a checkpoint, found a zip archive without data.pkl or "
                    ".npy entries; unpack it");
}

/// Says what a file that is no checkpoint probably is.
[[noreturn]] void throw_unrecognised(const MappedFile& file, std::string_view head) {
  if (head.starts_with("version https://git-lfs")) {
    throw FormatError(file.name(),
                      "expected a checkpoint, found a Git LFS pointer; fetch the "
                      "content with `git lfs pull`");
  }
  if (head.starts_with("<")) {
    throw FormatError(file.name(),
                      "expected a checkpoint, found a web page; the download failed, "
                      "repeat it");
  }
  if (head.empty()) {
    throw FormatError(file.name(),
                      "expected a checkpoint, found an empty file; copy or download "
                      "it again");
  }
  throw FormatError(file.name(),
                    "expected safetensors, a shard index, a PyTorch, NumPy or GGUF file, "
                    "found something else; check the path");
}

bool looks_like_safetensors(const MappedFile& file, std::string_view head) {
  std::uint64_t header = 0;
  if (head.size() <= sizeof(header)) return false;
  std::memcpy(&header, head.data(), sizeof(header));
  // Sizes are not judged here: a damaged file shall be reported as damaged safetensors.
  return head[sizeof(header)] == '{' && header <= static_cast<std::uint64_t>(file.size());
}

std::filesystem::path find_in_folder(const std::filesystem::path& folder) {
  for (const std::string_view name : kUsualNames) {
    if (path_exists(folder / name)) return folder / name;
  }
  std::vector<std::filesystem::path> found;
  for (const std::filesystem::path& path : list_folder(folder)) {
    const std::string extension = path.extension().string();
    if (std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end()) {
      found.push_back(path);
    }
  }
  if (found.size() == 1) return found.front();
  throw FormatError(folder.string(),
                    "expected one checkpoint such as {} in the folder, found {}; "
                    "name the file",
                    kUsualNames.front(), found.size());
}

}  // namespace

CheckpointKind recognise_checkpoint(const MappedFile& file) {
  const std::string_view head = head_of(file);
  if (looks_like_safetensors(file, head)) return CheckpointKind::kSafetensors;
  if (head.starts_with("GGUF")) return CheckpointKind::kGguf;
  if (head.starts_with("PK\x03\x04")) return recognise_zip(file);
  if (head.starts_with("\x93NUMPY")) return CheckpointKind::kNpy;
  if (head.starts_with('\x80')) return CheckpointKind::kPthLegacy;
  if (head.find_first_not_of(" \t\r\n") < head.size() &&
      head[head.find_first_not_of(" \t\r\n")] == '{') {
    return CheckpointKind::kShardIndex;
  }
  throw_unrecognised(file, head);
}

std::unique_ptr<TensorSource> open_stored(const std::filesystem::path& path,
                                          const PthOptions& options) {
  if (path_kind(path) == PathKind::kFolder) return open_stored(find_in_folder(path), options);
  std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  switch (recognise_checkpoint(*file)) {
    case CheckpointKind::kSafetensors:
      return SafetensorsFile::from(std::move(file));
    case CheckpointKind::kShardIndex:
      return ShardedCheckpoint::open(path);
    case CheckpointKind::kPthZip:
    case CheckpointKind::kPthLegacy:
      return PthFile::from(std::move(file), options);
    case CheckpointKind::kNpy:
    case CheckpointKind::kNpz:
      return NumpyFile::from(std::move(file));
    case CheckpointKind::kGguf:
      return GgufFile::from(std::move(file));
  }
  throw_unrecognised(*file, head_of(*file));
}

std::unique_ptr<TensorSource> open_checkpoint(const std::filesystem::path& path,
                                              const PthOptions& options) {
  return with_quantised(open_stored(path, options));
}

}  // namespace conopa

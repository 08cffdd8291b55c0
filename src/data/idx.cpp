#include "conopa/data/idx.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/data/memory_dataset.h"
#include "conopa/io/gzip.h"
#include "data/io_errors.h"

namespace conopa::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxBytes = std::int64_t{8} << 30;  // of one decompressed file
constexpr std::size_t kMaxRank = 4;

std::int64_t read_u32(std::span<const std::byte> bytes, std::size_t offset) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value * 256 + std::to_integer<std::int64_t>(bytes[offset + i]);
  }
  return value;
}

// Whether a file name (without .gz) is `[prefix-]SPLIT-KIND-idxR-ubyte` with R in `ranks`.
bool names_idx(std::string_view file, std::string_view split, std::string_view kind,
               std::string_view ranks) {
  for (const char rank : ranks) {
    for (const char separator : {'-', '.'}) {
      const std::string tail = fmt::format("{}-{}{}idx{}-ubyte", split, kind, separator, rank);
      if (file == tail || file.ends_with("-" + tail)) return true;
    }
  }
  return false;
}

std::optional<fs::path> find_idx(const fs::path& folder, std::string_view split,
                                 std::string_view kind, std::string_view ranks) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    const bool fits = names_idx(name, split, kind, ranks) ||
                      (split == "test" && names_idx(name, "t10k", kind, ranks));
    if (fits) found.push_back(entry.path());
  }
  if (found.empty()) return std::nullopt;
  std::sort(found.begin(), found.end());  // a plain file comes before its .gz
  const fs::path& first = found.front();
  for (const fs::path& other : found) {
    if (other != first && other != fs::path(first.string() + ".gz")) {
      throw FormatError(folder.string(),
                        "expected one {} file for split '{}', found {} and {}; "
                        "move one away",
                        kind, split, first.filename().string(), other.filename().string());
    }
  }
  return first;
}

fs::path require_idx(const fs::path& folder, std::string_view split, std::string_view kind,
                     std::string_view ranks) {
  if (!fs::is_directory(folder)) {
    throw IoError(folder.string(), "expected a folder of IDX files, found none; check data.path");
  }
  std::optional<fs::path> path = find_idx(folder, split, kind, ranks);
  if (!path) {
    throw IoError(folder.string(),
                  "expected {}-{}-idx{}-ubyte, plain or .gz, found none; check "
                  "data.path and the split",
                  split, kind, ranks.substr(0, 1));
  }
  return *std::move(path);
}

std::vector<std::int64_t> read_labels(const fs::path& path) {
  const std::vector<std::byte> bytes = read_possibly_gzipped(path, kMaxBytes);
  const IdxArray array = parse_idx(bytes, path.string());
  if (array.shape.size() != 1) {
    throw FormatError(path.string(), "expected labels of rank 1 (magic 0x801), found rank {}",
                      array.shape.size());
  }
  std::vector<std::int64_t> labels(array.values.size());
  std::transform(array.values.begin(), array.values.end(), labels.begin(),
                 [](std::byte b) { return std::to_integer<std::int64_t>(b); });
  return labels;
}

MemoryImages read_images(const fs::path& path) {
  const std::vector<std::byte> bytes = read_possibly_gzipped(path, kMaxBytes);
  const IdxArray array = parse_idx(bytes, path.string());
  const std::size_t rank = array.shape.size();
  const std::int64_t channels = rank == 4 ? array.shape[3] : 1;
  if (rank < 3 || (channels != 1 && channels != 3)) {
    throw FormatError(path.string(),
                      "expected images [N, H, W] (magic 0x803) or [N, H, W, 1 or 3], found [{}]",
                      fmt::join(array.shape, ", "));
  }
  MemoryImages images;
  images.name = path.string();
  images.height = array.shape[1];
  images.width = array.shape[2];
  images.channels = channels;
  images.pixels.resize(array.values.size());
  if (!array.values.empty()) {
    std::memcpy(images.pixels.data(), array.values.data(), array.values.size());
  }
  return images;
}

std::int64_t classes_of(std::span<const std::int64_t> labels) {
  return labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end()) + 1;
}

std::unique_ptr<Dataset> open_checked(const fs::path& folder, std::string_view split,
                                      const ClassOptions& classes) {
  const fs::path images_path = require_idx(folder, split, "images", "34");
  const fs::path labels_path = require_idx(folder, split, "labels", "1");
  MemoryImages images = read_images(images_path);
  images.labels = read_labels(labels_path);
  const auto count = static_cast<std::int64_t>(images.pixels.size()) /
                     std::max<std::int64_t>(1, images.height * images.width * images.channels);
  if (count != static_cast<std::int64_t>(images.labels.size())) {
    throw FormatError(images.name,
                      "expected as many images as labels, found {} images and {} "
                      "labels in {}; the files do not belong together",
                      count, images.labels.size(), labels_path.filename().string());
  }
  std::int64_t found = classes_of(images.labels);
  const std::optional<fs::path> train_labels = find_idx(folder, "train", "labels", "1");
  if (train_labels && *train_labels != labels_path) {
    found = std::max(found, classes_of(read_labels(*train_labels)));
  }
  std::vector<std::string> file_names;
  const fs::path names_path = folder / "classes.txt";
  if (classes.names.empty() && fs::exists(names_path)) file_names = read_name_lines(names_path);
  images.class_names =
      settle_class_names(labels_path.string(), classes, found, std::move(file_names));
  return std::make_unique<MemoryDataset>(std::move(images));
}

}  // namespace

IdxArray parse_idx(std::span<const std::byte> bytes, std::string_view where) {
  constexpr std::byte kUnsignedByte{8};
  if (bytes.size() < 4 || bytes[0] != std::byte{0} || bytes[1] != std::byte{0}) {
    throw FormatError(where, "expected an IDX file (it starts with 00 00 08), found {} other bytes",
                      bytes.size());
  }
  if (bytes[2] != kUnsignedByte) {
    throw FormatError(where, "expected IDX values of type 0x08 (unsigned byte), found 0x{:02x}",
                      std::to_integer<int>(bytes[2]));
  }
  const auto rank = std::to_integer<std::size_t>(bytes[3]);
  if (rank < 1 || rank > kMaxRank) {
    throw FormatError(where, "expected IDX rank 1 to {}, found {}", kMaxRank, rank);
  }
  const std::size_t header = 4 + 4 * rank;
  if (bytes.size() < header) {
    throw FormatError(where, "expected an IDX header of {} bytes, found {}; the file is truncated",
                      header, bytes.size());
  }
  IdxArray array;
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    array.shape.push_back(read_u32(bytes, 4 + 4 * axis));
    if (__builtin_mul_overflow(count, array.shape.back(), &count)) {
      throw FormatError(where, "IDX dimensions [{}] overflow; the file is damaged",
                        fmt::join(array.shape, ", "));
    }
  }
  array.values = bytes.subspan(header);
  if (static_cast<std::int64_t>(array.values.size()) != count) {
    throw FormatError(
        where, "expected {} values for [{}], found {}; the file is {}", count,
        fmt::join(array.shape, ", "), array.values.size(),
        static_cast<std::int64_t>(array.values.size()) < count ? "truncated" : "too long");
  }
  return array;
}

std::unique_ptr<Dataset> open_idx(const fs::path& folder, std::string_view split,
                                  const ClassOptions& classes) {
  return with_io_errors(folder, [&] { return open_checked(folder, split, classes); });
}

}  // namespace conopa::data

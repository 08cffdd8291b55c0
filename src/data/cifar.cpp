#include "conopa/data/cifar.h"

#include <string>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/data/memory_dataset.h"
#include "conopa/io/gzip.h"

namespace conopa::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 32;
constexpr std::size_t kPlane = kSide * kSide;
constexpr std::int64_t kMaxBytes = std::int64_t{2} << 30;  // a real file has at most 154 MB

struct Format {
  std::size_t label_bytes;
  std::int64_t classes;
  std::string_view folder;  // inside its archive
  std::string_view names_file;
};

constexpr Format format_of(CifarKind kind) {
  return kind == CifarKind::kCifar10 ? Format{1, 10, "cifar-10-batches-bin", "batches.meta.txt"}
                                     : Format{2, 100, "cifar-100-binary", "fine_label_names.txt"};
}

std::vector<std::string> files_of(CifarKind kind, std::string_view split) {
  if (split != "train" && split != "test") {
    throw ConfigError("data", "CIFAR has the splits train and test, got '{}'", split);
  }
  if (kind == CifarKind::kCifar100) return {std::string(split) + ".bin"};
  if (split == "test") return {"test_batch.bin"};
  return {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
          "data_batch_5.bin"};
}

}  // namespace

CifarRecords parse_cifar(std::span<const std::byte> bytes, CifarKind kind, std::string_view where) {
  const Format format = format_of(kind);
  const std::size_t record = format.label_bytes + 3 * kPlane;
  if (bytes.empty() || bytes.size() % record != 0) {
    throw FormatError(where,
                      "expected a multiple of {} bytes, found {}; the file is truncated or "
                      "not a binary CIFAR file",
                      record, bytes.size());
  }
  const std::size_t count = bytes.size() / record;
  CifarRecords out;
  out.labels.reserve(count);
  out.pixels.resize(count * 3 * kPlane);
  for (std::size_t n = 0; n < count; ++n) {
    const std::span<const std::byte> row = bytes.subspan(n * record, record);
    const auto label = std::to_integer<std::int64_t>(row[format.label_bytes - 1]);
    if (label >= format.classes) {
      throw FormatError(where, "expected labels 0..{}, found {} at image {}", format.classes - 1,
                        label, n);
    }
    out.labels.push_back(label);
    const std::span<const std::byte> planes = row.subspan(format.label_bytes);
    std::uint8_t* pixel = out.pixels.data() + n * 3 * kPlane;
    for (std::size_t i = 0; i < kPlane; ++i) {
      for (std::size_t c = 0; c < 3; ++c) {
        *pixel++ = std::to_integer<std::uint8_t>(planes[c * kPlane + i]);
      }
    }
  }
  return out;
}

std::unique_ptr<Dataset> open_cifar(const fs::path& folder, CifarKind kind, std::string_view split,
                                    const ClassOptions& classes) {
  const Format format = format_of(kind);
  const fs::path nested = folder / format.folder;
  const fs::path& root = fs::is_directory(nested) ? nested : folder;
  MemoryImages images;
  images.name = (root / std::string(split)).string();
  images.height = kSide;
  images.width = kSide;
  images.channels = 3;
  for (const std::string& file : files_of(kind, split)) {
    const fs::path path = root / file;
    const std::vector<std::byte> bytes = read_possibly_gzipped(path, kMaxBytes);
    CifarRecords records = parse_cifar(bytes, kind, path.string());
    images.pixels.insert(images.pixels.end(), records.pixels.begin(), records.pixels.end());
    images.labels.insert(images.labels.end(), records.labels.begin(), records.labels.end());
  }
  std::vector<std::string> file_names;
  const fs::path names_path = root / format.names_file;
  if (classes.names.empty() && fs::exists(names_path)) file_names = read_name_lines(names_path);
  images.class_names =
      settle_class_names(root.string(), classes, format.classes, std::move(file_names));
  return std::make_unique<MemoryDataset>(std::move(images));
}

}  // namespace conopa::data

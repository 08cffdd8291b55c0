#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "conopa/data/class_names.h"
#include "conopa/data/dataset.h"

namespace conopa::data {

/// Which of the two binary CIFAR formats a file has.
enum class CifarKind {
  kCifar10,  ///< label, then 3 planes of 32×32: 3073 bytes per image
  kCifar100  ///< coarse label, fine label, then the planes: 3074 bytes; the fine label is used
};

/// Records of one binary CIFAR file.
struct CifarRecords {
  std::vector<std::uint8_t> pixels;  ///< [N, 32, 32, 3], interleaved
  std::vector<std::int64_t> labels;  ///< [N]
};

/// @param where for messages.
/// @throws FormatError if the length is no multiple of a record or a label is out of range.
[[nodiscard]] CifarRecords parse_cifar(std::span<const std::byte> bytes, CifarKind kind,
                                       std::string_view where);

/// Opens the split `train` or `test` of CIFAR-10 or CIFAR-100 in the binary version, in `folder` or
/// the folder that its archive unpacks to. Names come from the options, or from `batches.meta.txt`
/// or `fine_label_names.txt` where present.
/// @throws IoError, FormatError as above; ConfigError for another split.
/// @complexity reads the whole split into memory (3 KiB per image).
[[nodiscard]] std::unique_ptr<Dataset> open_cifar(const std::filesystem::path& folder,
                                                  CifarKind kind, std::string_view split,
                                                  const ClassOptions& classes = {});

}  // namespace conopa::data

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conopa/data/dataset.h"

namespace conopa::data {

/// Equally sized images that lie in memory as raw bytes.
struct MemoryImages {
  std::string name;  ///< for messages
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::vector<std::uint8_t> pixels;  ///< [N, height, width, channels]
  std::vector<std::int64_t> labels;  ///< [N]
  std::vector<std::string> class_names;
};

/// A dataset held in memory; the form IDX and CIFAR files are read into.
class MemoryDataset final : public Dataset {
 public:
  /// @throws ShapeError if pixels and labels do not hold the same number of images.
  /// @throws FormatError for a label without a class name, or no images at all.
  explicit MemoryDataset(MemoryImages images);

  [[nodiscard]] std::int64_t size() const noexcept override;
  [[nodiscard]] Sample get(std::int64_t index) const override;
  [[nodiscard]] std::int64_t label(std::int64_t index) const override;
  [[nodiscard]] std::string name(std::int64_t index) const override;
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override;

 private:
  MemoryImages images_;
  std::int64_t image_bytes_ = 0;
};

}  // namespace conopa::data

#include "conopa/data/memory_dataset.h"

#include <fmt/format.h>

#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/host_tensor.h"

namespace conopa::data {

MemoryDataset::MemoryDataset(MemoryImages images) : images_(std::move(images)) {
  const std::int64_t count = size();
  if (count == 0) throw FormatError(images_.name, "expected images, found none; check the file");
  image_bytes_ = element_count({images_.height, images_.width, images_.channels});
  const std::int64_t expected = element_count({count, image_bytes_});
  if (image_bytes_ == 0 || static_cast<std::int64_t>(images_.pixels.size()) != expected) {
    throw ShapeError(images_.name, "{} images of {}x{}x{} need {} bytes, found {}", count,
                     images_.height, images_.width, images_.channels, expected,
                     images_.pixels.size());
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t found = images_.labels[static_cast<std::size_t>(i)];
    if (found < 0 || found >= num_classes()) {
      throw FormatError(images_.name,
                        "expected labels 0..{}, found {} at image {}; check "
                        "num_classes and class_names",
                        num_classes() - 1, found, i);
    }
  }
}

std::int64_t MemoryDataset::size() const noexcept {
  return static_cast<std::int64_t>(images_.labels.size());
}

Sample MemoryDataset::get(std::int64_t index) const {
  const std::int64_t found = label(index);  // checks the index
  const auto first = images_.pixels.begin() + index * image_bytes_;
  Sample sample;
  sample.image.width = images_.width;
  sample.image.height = images_.height;
  sample.image.channels = images_.channels;
  sample.image.pixels.assign(first, first + image_bytes_);
  sample.label = found;
  sample.index = index;
  return sample;
}

std::int64_t MemoryDataset::label(std::int64_t index) const {
  return images_.labels.at(static_cast<std::size_t>(index));
}

std::string MemoryDataset::name(std::int64_t index) const {
  return fmt::format("{}[{}]", images_.name, index);
}

const std::vector<std::string>& MemoryDataset::class_names() const noexcept {
  return images_.class_names;
}

}  // namespace conopa::data

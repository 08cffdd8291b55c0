#include "conopa/data/file_dataset.h"

#include <utility>

#include "conopa/core/error.h"
#include "conopa/image/codec.h"

namespace conopa::data {

void PathTable::push_back(std::string_view path) {
  text_ += path;
  ends_.push_back(text_.size());
}

std::string_view PathTable::operator[](std::int64_t index) const {
  const auto i = static_cast<std::size_t>(index);
  const std::size_t begin = i == 0 ? 0 : ends_.at(i - 1);
  return std::string_view(text_).substr(begin, ends_.at(i) - begin);
}

FileDataset::FileDataset(std::filesystem::path root, PathTable paths,
                         std::vector<std::int32_t> labels, std::vector<std::string> class_names)
    : root_(std::move(root)),
      paths_(std::move(paths)),
      labels_(std::move(labels)),
      class_names_(std::move(class_names)) {
  CONOPA_ASSERT(static_cast<std::int64_t>(labels_.size()) == paths_.size());
  if (labels_.empty()) {
    throw FormatError(root_.string(), "expected image files, found none; check the path and split");
  }
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i] < 0 || labels_[i] >= num_classes()) {
      throw FormatError(name(static_cast<std::int64_t>(i)), "expected a label in 0..{}, found {}",
                        num_classes() - 1, labels_[i]);
    }
  }
}

FileDataset::FileDataset(std::filesystem::path root, PathTable paths, PathTable captions)
    : root_(std::move(root)), paths_(std::move(paths)), captions_(std::move(captions)) {
  CONOPA_ASSERT(captions_.size() == paths_.size());
  if (paths_.size() == 0) {
    throw FormatError(root_.string(), "expected image files, found none; check the path and split");
  }
}

Sample FileDataset::get(std::int64_t index) const {
  const std::int64_t found = label(index);  // checks the index
  return {.image = image::decode_file(root_ / paths_[index]), .label = found, .index = index};
}

std::int64_t FileDataset::label(std::int64_t index) const {
  CONOPA_ASSERT(index >= 0 && index < size());
  return labels_.empty() ? 0 : labels_[static_cast<std::size_t>(index)];
}

std::string FileDataset::name(std::int64_t index) const { return (root_ / paths_[index]).string(); }

}  // namespace conopa::data

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/data/dataset.h"

namespace conopa::data {

/// Many short strings in one block of memory: 14 million paths cost their bytes plus 8 each.
class PathTable {
 public:
  void push_back(std::string_view path);
  [[nodiscard]] std::string_view operator[](std::int64_t index) const;
  [[nodiscard]] std::int64_t size() const noexcept {
    return static_cast<std::int64_t>(ends_.size());
  }

 private:
  std::string text_;
  std::vector<std::size_t> ends_;
};

/// Labelled image files; the form image folders and lists are read into. Files are opened when a
/// sample is asked for.
class FileDataset final : public Dataset {
 public:
  /// @param root    folder that relative paths start from.
  /// @param labels  one per path, each below class_names.size().
  /// @throws FormatError if there are no files or a label has no class.
  FileDataset(std::filesystem::path root, PathTable paths, std::vector<std::int32_t> labels,
              std::vector<std::string> class_names);

  [[nodiscard]] std::int64_t size() const noexcept override { return paths_.size(); }
  [[nodiscard]] Sample get(std::int64_t index) const override;
  [[nodiscard]] std::int64_t label(std::int64_t index) const override;
  [[nodiscard]] std::string name(std::int64_t index) const override;
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override {
    return class_names_;
  }

 private:
  std::filesystem::path root_;
  PathTable paths_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> class_names_;
};

}  // namespace conopa::data

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/data/dataset.h"

namespace conopa::data {

/// Many strings in one block of memory: 14 million paths cost their bytes plus 8 each.
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

/// Image files with labels or captions; the form image folders and lists are read into. Files are
/// opened when a sample is asked for.
class FileDataset final : public Dataset {
 public:
  /// @param root    folder that relative paths start from.
  /// @param labels  one per path, each below class_names.size().
  /// @throws FormatError if there are no files or a label has no class.
  FileDataset(std::filesystem::path root, PathTable paths, std::vector<std::int32_t> labels,
              std::vector<std::string> class_names);

  /// Files with captions instead of classes.
  /// @param captions one per path.
  /// @throws FormatError if there are no files.
  FileDataset(std::filesystem::path root, PathTable paths, PathTable captions);

  [[nodiscard]] std::int64_t size() const noexcept override { return paths_.size(); }
  [[nodiscard]] Sample get(std::int64_t index) const override;
  [[nodiscard]] std::int64_t label(std::int64_t index) const override;
  [[nodiscard]] std::string name(std::int64_t index) const override;
  [[nodiscard]] bool has_captions() const noexcept override { return captions_.size() > 0; }
  [[nodiscard]] std::string_view caption(std::int64_t index) const override {
    return has_captions() ? captions_[index] : std::string_view();
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override {
    return class_names_;
  }

 private:
  std::filesystem::path root_;
  PathTable paths_;
  PathTable captions_;                // empty, or one per path
  std::vector<std::int32_t> labels_;  // empty if there are no classes
  std::vector<std::string> class_names_;
};

}  // namespace conopa::data

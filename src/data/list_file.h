#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "conopa/data/list.h"

namespace conopa::data {

/// One list file in memory.
struct ListFile {
  std::filesystem::path path;
  std::vector<ListRow> rows;  ///< never empty

  [[nodiscard]] bool has_splits() const { return !rows.front().split.empty(); }
  /// Whether a row belongs to a split.
  [[nodiscard]] bool serves(const ListRow& row, std::string_view split) const {
    return split == "all" || !has_splits() || row.split == split;
  }
};

/// The lists to read: the one that serves the split first, then the training one, which has a say
/// on classes.
/// @throws IoError, FormatError; also if the split is not to be had.
[[nodiscard]] std::vector<ListFile> read_lists(const std::filesystem::path& path,
                                               std::string_view split, ListContent content);

}  // namespace conopa::data

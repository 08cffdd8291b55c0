#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"
#include "conopa/data/class_names.h"
#include "conopa/data/dataset.h"

namespace conopa::data {

/// How a list of images is written.
enum class ListFormat {
  kCsv,   ///< comma-separated; fields may be quoted by RFC 4180, also over several lines
  kTsv,   ///< the same with tabs
  kJsonl  ///< one object a line with "path" and "label", optionally "split"
};

/// The format a file name announces (.csv, .tsv, .jsonl, .ndjson); nothing for others.
[[nodiscard]] std::optional<ListFormat> list_format_of(const std::filesystem::path& path);

struct ListRow {
  std::int64_t line = 0;  ///< where it starts, from 1
  std::string path;
  std::string label;
  std::string split;  ///< empty if the list has none
};

/// Reads `path,label[,split]` rows. A first row of column names ("path", "label" and "split", or
/// "image"/"file"/"filename" and "class"/"target") is optional; it may put the columns in any order
/// and name others, which are ignored. Empty lines are skipped. Text is UTF-8, with or without BOM.
/// @param where  for messages.
/// @throws FormatError with the line number for anything else.
[[nodiscard]] std::vector<ListRow> parse_list(std::string_view text, ListFormat format,
                                              std::string_view where);

/// Opens a list file, or a folder that holds `SPLIT.csv|.tsv|.jsonl`. Paths are relative to the
/// file.
///
/// With a split column (or one file per split) the rows of `split` are taken; the split `all` takes
/// every row; a list without splits serves `train` and `all` only, so that nothing is evaluated on
/// its own training images by mistake. Labels are class numbers, or names: those of the options or
/// of `classes.txt` beside the list, else all names found, in byte-wise order.
/// @throws IoError, FormatError; a bad label is named with its line.
[[nodiscard]] std::unique_ptr<Dataset> open_list(const std::filesystem::path& path,
                                                 std::string_view split,
                                                 const ClassOptions& classes = {});

/// The splits a list names, in byte-wise order; empty if it has none.
[[nodiscard]] std::vector<std::string> list_splits(const std::filesystem::path& path);

}  // namespace conopa::data

template <>
struct conopa::EnumNames<conopa::data::ListFormat> {
  static constexpr std::array<std::string_view, 3> kNames = {"CSV", "TSV", "JSONL"};
};

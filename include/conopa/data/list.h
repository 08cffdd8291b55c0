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

/// What a list says about its images.
enum class ListContent {
  kLabels,   ///< their classes
  kCaptions  ///< a text each
};

struct ListRow {
  std::int64_t line = 0;  ///< where it starts, from 1
  std::string path;
  std::string label;    ///< kLabels
  std::string caption;  ///< kCaptions; UTF-8, never empty
  std::string split;    ///< empty if the list has none
};

/// Reads `path,label[,split]` rows. A first row of column names ("path", "label" and "split", or
/// "image"/"file"/"filename" and "class"/"target") is optional; it may put the columns in any order
/// and name others, which are ignored. Empty lines are skipped. Text is UTF-8, with or without BOM.
///
/// Captions ("caption" or "text") need the row of names, or the key; they are taken without the
/// white space around them.
/// @param where  for messages.
/// @throws FormatError with the line number for anything else.
[[nodiscard]] std::vector<ListRow> parse_list(std::string_view text, ListFormat format,
                                              std::string_view where,
                                              ListContent content = ListContent::kLabels);

/// Whether the first line of a list names captions but no labels; false if it cannot be read.
[[nodiscard]] bool is_caption_list(const std::filesystem::path& path);

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

/// Opens a list of images with captions, or a folder that holds one per split; splits as open_list.
/// The dataset has captions and no classes: every label is 0.
/// @throws IoError, FormatError; an empty caption is named with its line.
[[nodiscard]] std::unique_ptr<Dataset> open_captions(const std::filesystem::path& path,
                                                     std::string_view split);

/// The splits a list names, in byte-wise order; empty if it has none.
[[nodiscard]] std::vector<std::string> list_splits(const std::filesystem::path& path,
                                                   ListContent content = ListContent::kLabels);

}  // namespace conopa::data

template <>
struct conopa::EnumNames<conopa::data::ListFormat> {
  static constexpr std::array<std::string_view, 3> kNames = {"CSV", "TSV", "JSONL"};
};

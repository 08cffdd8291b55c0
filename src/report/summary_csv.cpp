#include "conopa/report/summary_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/mapped_file.h"

namespace conopa::report {
namespace {

std::vector<std::string> split_cells(const std::string& line) {
  std::vector<std::string> cells;
  std::size_t begin = 0;
  for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = line.find(',', begin);
    cells.push_back(line.substr(begin, end == std::string::npos ? end : end - begin));
  }
  return cells;
}

}  // namespace

SummaryCsv::SummaryCsv(std::filesystem::path path) : path_(std::move(path)) {
  if (std::filesystem::exists(path_)) parse(read_text_file(path_));
}

void SummaryCsv::parse(const std::string& text) {
  std::size_t begin = 0;
  std::int64_t line_number = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::vector<std::string> cells = split_cells(text.substr(begin, end - begin));
    begin = end + 1;
    Row row;
    const std::string& first = cells.front();
    const auto [last, fault] =
        std::from_chars(first.data(), first.data() + first.size(), row.epoch);
    const bool header = line_number++ == 0;
    const bool good = header ? first == "epoch"
                             : fault == std::errc{} && last == first.data() + first.size() &&
                                   cells.size() <= columns_.size() + 1;
    if (!good) {
      throw FormatError("summary",
                        "expected a table with an epoch column, line {} of {} does not "
                        "fit; move the file away",
                        line_number, path_.string());
    }
    cells.erase(cells.begin());
    if (header) {
      columns_ = std::move(cells);
    } else {
      row.cells = std::move(cells);
      rows_.push_back(std::move(row));
    }
  }
}

std::size_t SummaryCsv::column(const std::string& name) {
  const auto it = std::find(columns_.begin(), columns_.end(), name);
  if (it != columns_.end()) return static_cast<std::size_t>(it - columns_.begin());
  if (name.empty() || name.find_first_of(",\"\r\n") != std::string::npos) {
    throw ConfigError("summary", "expected a plain column name, got '{}'; rename the metric", name);
  }
  columns_.push_back(name);
  return columns_.size() - 1;
}

void SummaryCsv::set_epoch(std::int64_t epoch, const Values& values) {
  std::erase_if(rows_, [epoch](const Row& row) { return row.epoch >= epoch; });
  Row row{epoch, {}};
  for (const auto& [name, value] : values) {
    const std::size_t index = column(name);
    row.cells.resize(std::max(row.cells.size(), index + 1));
    row.cells[index] = fmt::format("{}", value);
  }
  rows_.push_back(std::move(row));
  save();
}

void SummaryCsv::truncate(std::int64_t last_epoch) {
  if (std::erase_if(rows_, [last_epoch](const Row& row) { return row.epoch > last_epoch; }) > 0) {
    save();
  }
}

std::optional<std::int64_t> SummaryCsv::last_epoch() const {
  if (rows_.empty()) return std::nullopt;
  return rows_.back().epoch;
}

std::string SummaryCsv::text() const {
  std::string out = "epoch";
  for (const std::string& name : columns_) out += "," + name;
  out += '\n';
  for (const Row& row : rows_) {
    out += fmt::format("{}", row.epoch);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      out += ',';
      if (i < row.cells.size()) out += row.cells[i];
    }
    out += '\n';
  }
  return out;
}

void SummaryCsv::save() const { write_file_atomically(path_, text()); }

}  // namespace conopa::report

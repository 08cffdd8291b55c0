#include "data/delimited.h"

#include <algorithm>

#include "conopa/core/error.h"
#include "data/text.h"

namespace conopa::data {

bool DelimitedReader::next() {
  skip_empty_lines();
  if (rest_.empty()) return false;
  line_ = next_line_;
  fields_.clear();
  for (bool more = true; more;) {
    if (rest_.starts_with('"')) {
      read_quoted();
    } else {
      read_plain();
    }
    require_utf8(fields_.back(), where_, line_);
    more = rest_.starts_with(delimiter_);
    if (more) rest_.remove_prefix(1);
  }
  if (rest_.starts_with("\r\n")) rest_.remove_prefix(1);
  if (rest_.starts_with('\n')) {
    rest_.remove_prefix(1);
    ++next_line_;
  } else if (!rest_.empty()) {
    throw FormatError(where_,
                      "expected a separator behind the closing quote on line {}, found more "
                      "text; double quotes inside a quoted field",
                      next_line_);
  }
  return true;
}

void DelimitedReader::read_quoted() {
  std::string field;
  rest_.remove_prefix(1);
  for (;;) {
    const std::size_t quote = rest_.find('"');
    if (quote == std::string_view::npos) {
      throw FormatError(where_, "expected a closing quote for the field on line {}, found the end",
                        line_);
    }
    const std::string_view part = rest_.substr(0, quote);
    next_line_ += std::count(part.begin(), part.end(), '\n');
    field += part;
    rest_.remove_prefix(quote + 1);
    if (!rest_.starts_with('"')) break;
    field += '"';
    rest_.remove_prefix(1);
  }
  fields_.push_back(std::move(field));
}

void DelimitedReader::read_plain() {
  const char stops[] = {delimiter_, '\n'};
  std::size_t end = std::min(rest_.find_first_of(std::string_view(stops, 2)), rest_.size());
  const bool at_line_end = end < rest_.size() && rest_[end] == '\n';
  if (at_line_end && end > 0 && rest_[end - 1] == '\r') --end;
  fields_.emplace_back(rest_.substr(0, end));
  rest_.remove_prefix(end);
}

void DelimitedReader::skip_empty_lines() {
  for (;;) {
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    // Only blanks: a row of separators is a row, and a tab separates in TSV.
    const std::string_view line = rest_.substr(0, end);
    if (rest_.empty() || line.find_first_not_of(" \r") != std::string_view::npos) return;
    next_line_ += end < rest_.size() ? 1 : 0;
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
  }
}

}  // namespace conopa::data

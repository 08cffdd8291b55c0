#include "data/text.h"

#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/core/utf8.h"

namespace conopa::data {

bool LineReader::next() {
  if (rest_.empty()) return false;
  const std::size_t end = std::min(rest_.find('\n'), rest_.size());
  line_ = rest_.substr(0, end);
  if (line_.ends_with('\r')) line_.remove_suffix(1);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  ++number_;
  return true;
}

std::string_view without_bom(std::string_view text) noexcept {
  constexpr std::string_view kBom = "\xEF\xBB\xBF";
  if (text.starts_with(kBom)) text.remove_prefix(kBom.size());
  return text;
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

void require_utf8(std::string_view text, std::string_view where, std::int64_t line) {
  if (!is_utf8_text(text)) {
    throw FormatError(where, "expected UTF-8 text, found other bytes on line {}; convert the file",
                      line);
  }
}

}  // namespace conopa::data

#include "points/lines.h"

#include <string_view>

#include "conopa/core/error.h"
#include "conopa/core/utf8.h"
#include "conopa/io/mapped_file.h"

namespace conopa::points {

std::vector<std::string> read_lines(const std::filesystem::path& file) {
  const std::string text = read_text_file(file);
  if (!is_utf8_text(text)) {
    throw FormatError(file.string(), "expected lines of UTF-8 text, found other bytes");
  }
  std::vector<std::string> lines;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    constexpr std::string_view kBlanks = " \t\r";
    const std::size_t first = line.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) continue;
    lines.emplace_back(line.substr(first, line.find_last_not_of(kBlanks) - first + 1));
  }
  return lines;
}

}  // namespace conopa::points

#include "text/clip_words.h"

#include <array>

#include "text/html_unescape.h"
#include "text/unicode.h"

namespace conopa::text {
namespace {

// In the order in which the published pattern tries them.
constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t",  "'re", "'ve",
                                                           "'m", "'ll", "'d"};

std::string one_blank_between(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool gap = false;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = code_point_at(text, i);
    if (kind_of(point.value) == CharKind::kSpace) {
      gap = !out.empty();
    } else {
      if (gap) out += ' ';
      gap = false;
      out += text.substr(i, point.length);
    }
    i += point.length;
  }
  return out;
}

std::size_t contraction_at(std::string_view rest) {
  for (const std::string_view contraction : kContractions) {
    if (rest.starts_with(contraction)) return contraction.size();
  }
  return 0;
}

}  // namespace

std::string clean_clip_text(std::string_view text) {
  require_utf8(text);
  return one_blank_between(composed_lower(html_unescape(html_unescape(text))));
}

std::vector<std::string_view> split_clip_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t length = contraction_at(text.substr(i)); length > 0) {
      words.push_back(text.substr(i, length));
      i += length;
      continue;
    }
    const CodePoint first = code_point_at(text, i);
    const CharKind kind = kind_of(first.value);
    std::size_t end = i + first.length;
    if (kind == CharKind::kLetter || kind == CharKind::kOther) {
      while (end < text.size()) {
        const CodePoint next = code_point_at(text, end);
        if (kind_of(next.value) != kind) break;
        end += next.length;
      }
    }
    if (kind != CharKind::kSpace) words.push_back(text.substr(i, end - i));
    i = end;
  }
  return words;
}

}  // namespace conopa::text

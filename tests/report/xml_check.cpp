#include "tests/report/xml_check.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace conopa::report {
namespace {

/// The tag from `<` to `>`; a `>` inside quotes does not end it.
std::string_view read_tag(std::string_view text) {
  char quote = '\0';
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quote != '\0') {
      if (text[i] == '<') return {};
      if (text[i] == quote) quote = '\0';
    } else if (text[i] == '"') {
      quote = text[i];
    } else if (text[i] == '>') {
      return text.substr(0, i + 1);
    }
  }
  return {};
}

std::string_view name_of(std::string_view tag) {
  const std::size_t begin = tag.find_first_not_of("</");
  return tag.substr(begin, tag.find_first_of(" />\n", begin) - begin);
}

/// Attributes must look like name="value".
bool attributes_good(std::string_view tag) {
  bool quoted = false;
  for (std::size_t i = 1; i < tag.size(); ++i) {
    if (tag[i] == '=' && !quoted && (i + 1 >= tag.size() || tag[i + 1] != '"')) return false;
    if (tag[i] == '"') quoted = !quoted;
  }
  return !quoted;
}

/// Every & must begin an entity.
bool entities_good(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('&', at)) != std::string_view::npos; ++at) {
    const std::size_t end = text.find(';', at);
    if (end == std::string_view::npos || end - at > 8) return false;
  }
  return true;
}

bool is_void(std::string_view name) {
  return name == "meta" || name == "link" || name == "img" || name == "!DOCTYPE";
}

}  // namespace

std::string markup_fault(std::string_view text, bool html) {
  std::vector<std::string_view> open;
  while (!text.empty()) {
    const std::size_t next = std::min(text.find('<'), text.size());
    const bool style = !open.empty() && open.back() == "style";
    if (!style && !entities_good(text.substr(0, next))) return "stray & in text";
    text.remove_prefix(next);
    if (text.empty()) break;
    const std::string_view tag = read_tag(text);
    if (tag.empty()) return "unfinished tag: " + std::string(text.substr(0, 60));
    text.remove_prefix(tag.size());
    if (!attributes_good(tag) || !entities_good(tag)) return "bad attribute: " + std::string(tag);
    const std::string_view name = name_of(tag);
    if (tag[1] == '/') {
      if (open.empty() || open.back() != name) return "unexpected close: " + std::string(tag);
      open.pop_back();
    } else if (tag[tag.size() - 2] != '/' && !(html && is_void(name))) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "never closed: " + std::string(open.back());
}

int count_of(std::string_view text, std::string_view part) {
  int count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos;
       at += part.size()) {
    ++count;
  }
  return count;
}

}  // namespace conopa::report

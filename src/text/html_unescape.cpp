#include "text/html_unescape.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "text/unicode.h"

namespace conopa::text {
namespace {

struct Entity {
  std::string_view name;
  std::int32_t first = 0;
  std::int32_t second = 0;  ///< 0 if there is none
};

#include "text/html_entities.inc"

// What numbers 0x80 to 0x9F mean in Windows-1252, as which browsers read them.
constexpr std::array<std::int32_t, 32> kWindows1252 = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

constexpr std::int32_t kReplacement = 0xFFFD;
constexpr std::int64_t kLastCodePoint = 0x10FFFF;

bool is_forbidden(std::int64_t code) {
  const bool control = code <= 8 || code == 0xB || (code >= 0xE && code <= 0x1F) || code == 0x7F;
  const bool nonchar = (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
  return control || nonchar;
}

int digit_value(char c, int base) {
  if (c >= '0' && c <= '9') return c - '0';
  if (base == 16 && c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (base == 16 && c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_number(std::string& out, std::int64_t code) {
  if (code >= 0x80 && code <= 0x9F) {
    append_utf8(out, kWindows1252[static_cast<std::size_t>(code - 0x80)]);
  } else if (code == 0 || code > kLastCodePoint || (code >= 0xD800 && code <= 0xDFFF)) {
    append_utf8(out, kReplacement);
  } else if (!is_forbidden(code)) {
    append_utf8(out, static_cast<std::int32_t>(code));
  }
}

// Reads "#12;" or "#xC;", the semicolon being optional; bytes used, 0 if there is no number.
std::size_t resolve_number(std::string_view rest, std::string& out) {
  const bool hex = rest.size() > 1 && (rest[1] == 'x' || rest[1] == 'X');
  const int base = hex ? 16 : 10;
  const std::size_t first = hex ? 2 : 1;
  std::size_t i = first;
  std::int64_t code = 0;
  for (; i < rest.size() && digit_value(rest[i], base) >= 0; ++i) {
    code = std::min(code * base + digit_value(rest[i], base), kLastCodePoint + 1);
  }
  if (i == first) return 0;
  if (i < rest.size() && rest[i] == ';') ++i;
  append_number(out, code);
  return i;
}

void append_entity(std::string& out, std::string_view name) {
  const auto* found = std::lower_bound(
      kEntities.begin(), kEntities.end(), name,
      [](const Entity& entity, std::string_view wanted) { return entity.name < wanted; });
  append_utf8(out, found->first);
  if (found->second != 0) append_utf8(out, found->second);
}

bool is_entity(std::string_view name) {
  return std::binary_search(kEntities.begin(), kEntities.end(), Entity{.name = name},
                            [](const Entity& a, const Entity& b) { return a.name < b.name; });
}

bool stands_alone(std::string_view name) {
  return std::binary_search(kWithoutSemicolon.begin(), kWithoutSemicolon.end(), name);
}

// Reads "name;", or the longest old name that the text begins with; bytes used, 0 if none fits.
std::size_t resolve_name(std::string_view rest, std::string& out) {
  constexpr std::size_t kLongest = 32;
  std::size_t length = 0;
  while (length < rest.size() && length < kLongest &&
         ((rest[length] | 0x20) >= 'a' ? (rest[length] | 0x20) <= 'z'
                                       : digit_value(rest[length], 10) >= 0)) {
    ++length;
  }
  const std::string_view word = rest.substr(0, length);
  if (length < rest.size() && rest[length] == ';' && is_entity(word)) {
    append_entity(out, word);
    return length + 1;
  }
  for (std::size_t n = length; n > 1; --n) {
    if (!stands_alone(word.substr(0, n))) continue;
    append_entity(out, word.substr(0, n));
    return n;
  }
  return 0;
}

}  // namespace

std::string html_unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t mark = std::min(text.find('&', i), text.size());
    out += text.substr(i, mark - i);
    if (mark == text.size()) break;
    const std::string_view rest = text.substr(mark + 1);
    const std::size_t used =
        rest.starts_with('#') ? resolve_number(rest, out) : resolve_name(rest, out);
    if (used == 0) out += '&';
    i = mark + 1 + used;
  }
  return out;
}

}  // namespace conopa::text

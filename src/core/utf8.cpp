#include "conopa/core/utf8.h"

#include <cstddef>

namespace conopa {
namespace {

struct Utf8Form {
  std::size_t length;
  unsigned smallest;  // code points below have a shorter form
  unsigned head;      // bits of the first byte that count
};

// What a first byte announces; length 0 for bytes that cannot start a character.
constexpr Utf8Form utf8_form(unsigned char first) noexcept {
  if (first < 0x80) return {1, 1, 0x7F};  // NUL is refused
  if (first >= 0xC2 && first < 0xE0) return {2, 0x80, 0x1F};
  if (first >= 0xE0 && first < 0xF0) return {3, 0x800, 0x0F};
  if (first >= 0xF0 && first < 0xF5) return {4, 0x10000, 0x07};
  return {0, 0, 0};
}

}  // namespace

bool is_utf8_text(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const Utf8Form form = utf8_form(first);
    if (form.length == 0 || form.length > text.size() - i) return false;
    unsigned code = first & form.head;
    for (std::size_t k = 1; k < form.length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xC0U) != 0x80U) return false;
      code = (code << 6U) | (byte & 0x3FU);
    }
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    if (code < form.smallest || code > 0x10FFFF || surrogate) return false;
    i += form.length;
  }
  return true;
}

}  // namespace conopa

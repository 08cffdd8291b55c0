#include "text/unicode.h"

#include <utf8proc.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <new>

#include "conopa/core/error.h"

namespace conopa::text {
namespace {

const utf8proc_uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

struct Free {
  void operator()(utf8proc_uint8_t* memory) const noexcept { std::free(memory); }
};

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t place) {
  utf8proc_int32_t value = 0;
  const std::string_view rest = text.substr(place);
  const utf8proc_ssize_t length =
      utf8proc_iterate(bytes_of(rest), static_cast<utf8proc_ssize_t>(rest.size()), &value);
  if (length <= 0) {
    throw FormatError("tokenizer",
                      "expected UTF-8 text, found other bytes at byte {} of {}; convert the text",
                      place, text.size());
  }
  return {value, static_cast<std::size_t>(length)};
}

void require_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) i += code_point_at(text, i).length;
}

CharKind kind_of(std::int32_t code_point) noexcept {
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharKind::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharKind::kNumber;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return CharKind::kSpace;
    default:
      break;
  }
  const bool control_space = (code_point >= 0x09 && code_point <= 0x0D) || code_point == 0x85;
  return control_space ? CharKind::kSpace : CharKind::kOther;
}

void append_utf8(std::string& text, std::int32_t code_point) {
  CONOPA_ASSERT(utf8proc_codepoint_valid(code_point));
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto length = static_cast<std::size_t>(utf8proc_encode_char(code_point, bytes.data()));
  text.append(reinterpret_cast<const char*>(bytes.data()), length);
}

std::string composed_lower(std::string_view text) {
  utf8proc_uint8_t* raw = nullptr;
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const utf8proc_ssize_t length =
      utf8proc_map(bytes_of(text), static_cast<utf8proc_ssize_t>(text.size()), &raw, kOptions);
  const std::unique_ptr<utf8proc_uint8_t, Free> owner(raw);
  if (length == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (length < 0) {
    throw FormatError("tokenizer", "the text cannot be composed: {}", utf8proc_errmsg(length));
  }
  const std::string_view composed(reinterpret_cast<const char*>(raw),
                                  static_cast<std::size_t>(length));
  std::string out;
  out.reserve(composed.size());
  for (std::size_t i = 0; i < composed.size();) {
    const CodePoint point = code_point_at(composed, i);
    i += point.length;
    if (point.value == 0x130) {  // the one letter whose lower case is two characters
      out += "i\u0307";
    } else {
      append_utf8(out, utf8proc_tolower(point.value));
    }
  }
  return out;
}

}  // namespace conopa::text

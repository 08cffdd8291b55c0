#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace conopa::text {

/// One character of a UTF-8 text.
struct CodePoint {
  std::int32_t value = 0;
  std::size_t length = 0;  ///< in bytes
};

/// What a character is to the division of a text into words.
enum class CharKind { kSpace, kLetter, kNumber, kOther };

/// The character at a place, 0 <= place < text.size().
/// @throws FormatError naming the byte if there is none.
[[nodiscard]] CodePoint code_point_at(std::string_view text, std::size_t place);

/// @throws FormatError naming the first byte that is not UTF-8.
void require_utf8(std::string_view text);

/// By Unicode's general category; spaces are the characters with the property White_Space.
[[nodiscard]] CharKind kind_of(std::int32_t code_point) noexcept;

/// Appends a character as UTF-8; a valid code point only.
void append_utf8(std::string& text, std::int32_t code_point);

/// The composed form (NFC) in lower case; `text` must be UTF-8.
[[nodiscard]] std::string composed_lower(std::string_view text);

}  // namespace conopa::text

// Numbers and text of the pickle machine.

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "conopa/core/error.h"
#include "io/pickle_machine.h"
#include "io/pickle_opcodes.h"

namespace conopa {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The number written by `count` hexadecimal digits at the start of `text`, or -1.
std::int64_t hex_number(std::string_view text, std::size_t count) {
  if (text.size() < count) return -1;
  std::int64_t value = 0;
  for (const char c : text.substr(0, count)) {
    const int digit = hex_digit(c);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto tail = [&out, code](int shift) {
    out += static_cast<char>(0x80U | ((code >> shift) & 0x3FU));
  };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0U | (code >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | ((code >> 18) & 0x07U));
    tail(12);
    tail(6);
    tail(0);
  }
}

/// Resolves the escapes of Python's repr of a byte string.
std::string unescape_repr(std::string_view text) {
  constexpr std::string_view kLetters = "ntrabfv";
  constexpr std::string_view kMeanings = "\n\t\r\a\b\f\v";
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    const std::size_t letter = kLetters.find(next);
    if (next == 'x' && hex_number(text.substr(i + 1), 2) >= 0) {
      out += static_cast<char>(hex_number(text.substr(i + 1), 2));
      i += 2;
    } else {
      out += letter == std::string_view::npos ? next : kMeanings[letter];
    }
  }
  return out;
}

}  // namespace

void PickleMachine::push_int(std::int64_t value) {
  const PickleId id = add(PickleKind::kInt);
  tree_->node(id).integer = value;
  push(id);
}

void PickleMachine::push_bool(bool value) {
  PickleId& id = value ? true_ : false_;
  if (id == kNoPickle) {
    id = add(PickleKind::kBool);
    tree_->node(id).boolean = value;
  }
  push(id);
}

void PickleMachine::push_text(PickleKind kind, std::string_view text) {
  if (text.size() > text_budget_) fail("too much text");
  text_budget_ -= text.size();
  const PickleId id = add(kind);
  tree_->node(id).text = text;
  push(id);
}

void PickleMachine::push_decimal(std::string_view digits) {
  if (digits.ends_with('L')) digits.remove_suffix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) {
    push_text(PickleKind::kBigInt, digits);
  } else if (error != std::errc{} || end != digits.data() + digits.size()) {
    fail("number is malformed");
  } else {
    push_int(value);
  }
}

void PickleMachine::push_long(std::uint64_t length) {
  const auto bytes = in_.take(length);
  if (length > sizeof(std::int64_t)) {
    push_text(PickleKind::kBigInt, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return;
  }
  const bool negative = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{0};
  std::int64_t value = negative ? -1 : 0;  // sign extension
  if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
  push_int(value);
}

bool PickleMachine::step_number(std::uint8_t op) {
  switch (op) {
    case opcode::kNone:
      if (none_ == kNoPickle) none_ = add(PickleKind::kNone);
      push(none_);
      return true;
    case opcode::kNewTrue:
      push_bool(true);
      return true;
    case opcode::kNewFalse:
      push_bool(false);
      return true;
    case opcode::kBinInt:
      push_int(in_.read<std::int32_t>());
      return true;
    case opcode::kBinInt1:
      push_int(in_.read<std::uint8_t>());
      return true;
    case opcode::kBinInt2:
      push_int(in_.read<std::uint16_t>());
      return true;
    case opcode::kLong1:
      push_long(in_.read<std::uint8_t>());
      return true;
    case opcode::kLong4:
      push_long(in_.read<std::uint32_t>());
      return true;
    case opcode::kLong:
      push_decimal(in_.line());
      return true;
    case opcode::kInt: {
      const std::string_view line = in_.line();
      if (line == "00" || line == "01") {  // how protocol 0 spells booleans
        push_bool(line == "01");
      } else {
        push_decimal(line);
      }
      return true;
    }
    case opcode::kFloat:
    case opcode::kBinFloat: {
      double value = 0;
      if (op == opcode::kBinFloat) {
        value = std::bit_cast<double>(__builtin_bswap64(in_.read<std::uint64_t>()));
      } else {
        const std::string_view line = in_.line();
        const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
        if (error == std::errc::invalid_argument || end != line.data() + line.size()) {
          fail("number is malformed");
        }
      }
      const PickleId id = add(PickleKind::kFloat);
      tree_->node(id).real = value;
      push(id);
      return true;
    }
    default:
      return false;
  }
}

void PickleMachine::push_quoted(std::string_view line) {
  const bool quoted = line.size() >= 2 && line.front() == line.back() &&
                      (line.front() == '\'' || line.front() == '"');
  if (!quoted) fail("string lacks quotes");
  push_text(PickleKind::kString, unescape_repr(line.substr(1, line.size() - 2)));
}

void PickleMachine::push_escaped(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char next = i + 1 < line.size() ? line[i + 1] : '\0';
    const std::size_t digits = next == 'u' ? 4 : next == 'U' ? 8 : 0;
    if (line[i] == '\\' && digits > 0) {
      const std::int64_t code = hex_number(line.substr(i + 2), digits);
      if (code < 0 || code > 0x10FFFF) fail("unicode escape is malformed");
      append_utf8(out, static_cast<std::uint32_t>(code));
      i += 1 + digits;
    } else {
      append_utf8(out, static_cast<std::uint8_t>(line[i]));  // raw bytes are Latin-1
    }
  }
  push_text(PickleKind::kString, out);
}

bool PickleMachine::step_text(std::uint8_t op) {
  const auto text = [this](PickleKind kind, std::uint64_t length) {
    push_text(kind, in_.text(length));
    return true;
  };
  switch (op) {
    case opcode::kShortBinUnicode:
      return text(PickleKind::kString, in_.read<std::uint8_t>());
    case opcode::kBinUnicode:
      return text(PickleKind::kString, in_.read<std::uint32_t>());
    case opcode::kBinUnicode8:
      return text(PickleKind::kString, in_.read<std::uint64_t>());
    // Python 2 strings: torch.save wrote state dict keys this way.
    case opcode::kShortBinString:
      return text(PickleKind::kString, in_.read<std::uint8_t>());
    case opcode::kBinString:
      return text(PickleKind::kString, in_.read<std::uint32_t>());
    case opcode::kShortBinBytes:
      return text(PickleKind::kBytes, in_.read<std::uint8_t>());
    case opcode::kBinBytes:
      return text(PickleKind::kBytes, in_.read<std::uint32_t>());
    case opcode::kBinBytes8:
    case opcode::kByteArray8:
      return text(PickleKind::kBytes, in_.read<std::uint64_t>());
    case opcode::kString:
      push_quoted(in_.line());
      return true;
    case opcode::kUnicode:
      push_escaped(in_.line());
      return true;
    default:
      return false;
  }
}

}  // namespace conopa

#include "io/npy_header.h"

#include <array>
#include <charconv>

#include "conopa/core/error.h"
#include "io/byte_reader.h"

namespace conopa {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Row {
  std::string_view descr;
  DType dtype;
};
constexpr std::array<Row, 13> kRows{{{"<f8", DType::kF64},
                                     {"<f4", DType::kF32},
                                     {"<f2", DType::kF16},
                                     {"|V2", DType::kBF16},  // JAX's bfloat16
                                     {"<V2", DType::kBF16},
                                     {"<i8", DType::kI64},
                                     {"<i4", DType::kI32},
                                     {"<i2", DType::kI16},
                                     {"|i1", DType::kI8},
                                     {"<i1", DType::kI8},
                                     {"|u1", DType::kU8},
                                     {"<u1", DType::kU8},
                                     {"|b1", DType::kBool}}};

/// Reads the Python dict literal of the head: three known keys with a string (or a list for
/// structured types), a boolean and a tuple of integers.
class LiteralParser {
 public:
  LiteralParser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  void parse(NpyHeader& header) {
    expect('{');
    int seen = 0;
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        seen |= 1;
        parse_type(header);
      } else if (key == "fortran_order") {
        seen |= 2;
        header.fortran_order = boolean();
      } else if (key == "shape") {
        seen |= 4;
        header.info.shape = integers();
      } else {
        fail();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (seen != 7) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw FormatError(where_,
                      "the NumPy header is malformed; the file is damaged, copy or "
                      "download it again");
  }

  void skip_space() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\n')) {
      text_.remove_prefix(1);
    }
  }
  bool accept(char c) {
    skip_space();
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail();
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  std::string_view quoted() {
    skip_space();
    const char quote = text_.empty() ? '\0' : text_.front();
    if (quote != '\'' && quote != '"') fail();
    const std::size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) fail();
    const std::string_view out = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return out;
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) fail();
    return false;
  }

  Shape integers() {
    Shape out;
    expect('(');
    while (!accept(')')) {
      std::int64_t value = 0;
      skip_space();
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
      if (error != std::errc{} || value < 0) fail();
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      static_cast<void>(accept_word("L"));  // Python 2 wrote long integers so
      out.push_back(value);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return out;
  }

  void parse_type(NpyHeader& header) {
    if (accept('[')) {  // a structured type: skip it, it cannot be read
      int depth = 1;
      while (depth > 0) {
        if (text_.empty()) fail();
        depth += text_.front() == '[' ? 1 : text_.front() == ']' ? -1 : 0;
        text_.remove_prefix(1);
      }
      header.info.dtype_name = "structured";
      return;
    }
    const std::string_view descr = quoted();
    header.info.dtype_name = descr;
    for (const Row& row : kRows) {
      if (row.descr != descr) continue;
      header.info.dtype = row.dtype;
      header.info.dtype_name = dtype_name(row.dtype);
      header.element_bytes = dtype_size(row.dtype);
    }
  }

  std::string_view text_;
  std::string_view where_;
};

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> head, std::string_view where) {
  ByteReader reader(head, where);
  if (reader.text(kMagic.size()) != kMagic) {
    throw FormatError(where, "expected a NumPy array, found something else; the file is damaged");
  }
  const auto major = reader.read<std::uint8_t>();
  reader.skip(1);  // the minor version
  const std::uint32_t length =
      major == 1 ? reader.read<std::uint16_t>() : reader.read<std::uint32_t>();
  NpyHeader header;
  LiteralParser(reader.text(length), where).parse(header);
  header.data_offset = static_cast<std::int64_t>(reader.position());
  return header;
}

}  // namespace conopa

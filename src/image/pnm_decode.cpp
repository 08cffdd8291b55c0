#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "conopa/core/error.h"
#include "image/codec_internal.h"

namespace conopa::image {
namespace {

/// Walks through the text parts of a PBM, PGM or PPM file; comments run from '#' to the line end.
class PnmReader {
 public:
  explicit PnmReader(const DecodeRequest& request) : name_(request.name), rest_(request.bytes) {}

  /// A decimal number, or nothing at the end of the file.
  std::optional<std::int64_t> number(std::int64_t limit, std::string_view what) {
    skip_space();
    if (rest_.empty()) return std::nullopt;
    std::int64_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && is_digit(digits); ++digits) {
      value = value * 10 + (std::to_integer<int>(rest_[digits]) - '0');
      if (value > limit) {
        throw FormatError(name_, "expected a {} of at most {}, found {}", what, limit, value);
      }
    }
    if (digits == 0) {
      throw FormatError(name_, "expected a {} as a decimal number, found byte {:#04x}", what,
                        std::to_integer<int>(rest_[0]));
    }
    rest_ = rest_.subspan(digits);
    return value;
  }

  /// A sample of a plain PBM file; they may stand without space in between.
  std::optional<bool> bit() {
    skip_space();
    if (rest_.empty()) return std::nullopt;
    const char digit = static_cast<char>(rest_[0]);
    if (digit != '0' && digit != '1') {
      throw FormatError(name_, "expected samples 0 or 1, found byte {:#04x}",
                        std::to_integer<int>(rest_[0]));
    }
    rest_ = rest_.subspan(1);
    return digit == '1';
  }

  void skip(std::size_t count) { rest_ = rest_.subspan(std::min(count, rest_.size())); }
  [[nodiscard]] Bytes rest() const { return rest_; }

 private:
  [[nodiscard]] bool is_digit(std::size_t i) const {
    return rest_[i] >= std::byte{'0'} && rest_[i] <= std::byte{'9'};
  }
  void skip_space() {
    std::size_t i = 0;
    for (; i < rest_.size(); ++i) {
      const char c = static_cast<char>(rest_[i]);
      if (c == '#') {
        while (i < rest_.size() && rest_[i] != std::byte{'\n'} && rest_[i] != std::byte{'\r'}) ++i;
        if (i == rest_.size()) break;
      } else if (c != ' ' && (c < '\t' || c > '\r')) {
        break;
      }
    }
    rest_ = rest_.subspan(i);
  }

  std::string_view name_;
  Bytes rest_;
};

struct PnmHeader {
  int kind = 0;  ///< the digit behind 'P'
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t maxval = 1;

  [[nodiscard]] bool plain() const { return kind <= 3; }
  [[nodiscard]] bool bitmap() const { return kind == 1 || kind == 4; }
  [[nodiscard]] std::int64_t channels() const { return kind == 3 || kind == 6 ? 3 : 1; }
};

[[noreturn]] void fail_truncated(const DecodeRequest& request) {
  throw FormatError(request.name, "expected a complete PNM image, the file ends early");
}

PnmHeader read_header(const DecodeRequest& request, PnmReader& reader) {
  constexpr std::int64_t kMaxSide = 0x7FFFFFFF;
  const auto need = [&](std::optional<std::int64_t> value) {
    if (!value) fail_truncated(request);
    return *value;
  };
  PnmHeader header;
  header.kind = std::to_integer<int>(request.bytes[1]) - '0';
  reader.skip(2);
  header.width = need(reader.number(kMaxSide, "width"));
  header.height = need(reader.number(kMaxSide, "height"));
  if (!header.bitmap()) header.maxval = need(reader.number(65535, "maxval"));
  if (header.maxval == 0)
    throw FormatError(request.name, "expected a maxval of 1 to 65535, found 0");
  if (!header.plain()) reader.skip(1);  // a single space ends the header
  return header;
}

/// Sample value for each stored value.
std::vector<std::uint8_t> scale_table(std::int64_t maxval) {
  std::vector<std::uint8_t> table(static_cast<std::size_t>(maxval) + 1);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(maxval);
    table[i] = static_cast<std::uint8_t>(std::nearbyint(share * 255.0));
  }
  return table;
}

/// All fill functions return the number of samples found.
std::size_t fill_plain(const PnmHeader& header, PnmReader& reader, std::span<std::uint8_t> out) {
  const std::vector<std::uint8_t> table = scale_table(header.maxval);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (header.bitmap()) {
      const std::optional<bool> black = reader.bit();
      if (!black) return i;
      out[i] = *black ? 0 : 255;
    } else {
      const std::optional<std::int64_t> value = reader.number(header.maxval, "sample");
      if (!value) return i;
      out[i] = table[static_cast<std::size_t>(*value)];
    }
  }
  return out.size();
}

std::size_t fill_bits(const PnmHeader& header, Bytes data, std::span<std::uint8_t> out) {
  const auto width = static_cast<std::size_t>(header.width);
  const std::size_t row_bytes = (width + 7) / 8;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t x = i % width;
    const std::size_t at = i / width * row_bytes + x / 8;
    if (at >= data.size()) return i;
    const bool black = (std::to_integer<unsigned>(data[at]) >> (7 - x % 8) & 1U) != 0;
    out[i] = black ? 0 : 255;
  }
  return out.size();
}

std::size_t fill_binary(const PnmHeader& header, Bytes data, std::span<std::uint8_t> out) {
  const std::size_t sample_bytes = header.maxval > 255 ? 2 : 1;
  const std::size_t count = std::min(out.size(), data.size() / sample_bytes);
  if (header.maxval == 255) {
    std::memcpy(out.data(), data.data(), count);
    return count;
  }
  const std::vector<std::uint8_t> table = scale_table(header.maxval);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t value = std::to_integer<std::size_t>(data[i * sample_bytes]);
    if (sample_bytes == 2) value = value << 8 | std::to_integer<std::size_t>(data[i * 2 + 1]);
    out[i] = table[std::min(value, table.size() - 1)];
  }
  return count;
}

}  // namespace

DecodeResult decode_pnm(const DecodeRequest& request) {
  PnmReader reader(request);
  const PnmHeader header = read_header(request, reader);
  check_size(request, header.width, header.height);
  DecodeResult result;
  result.info = {Format::kPnm, header.width, header.height, header.channels()};
  if (request.header_only) return result;

  // A few bytes must not make us allocate a huge image: no kind needs less than a bit per sample.
  const std::int64_t samples = header.width * header.height * header.channels();
  const auto stored_bits = static_cast<std::int64_t>(reader.rest().size()) * 8;
  if (samples > stored_bits && !request.options.tolerate_truncated) fail_truncated(request);
  Image image(header.width, header.height, header.channels());
  const std::size_t found = header.plain()    ? fill_plain(header, reader, image.pixels)
                            : header.bitmap() ? fill_bits(header, reader.rest(), image.pixels)
                                              : fill_binary(header, reader.rest(), image.pixels);
  if (found < image.pixels.size() && !request.options.tolerate_truncated) fail_truncated(request);
  result.image = std::move(image);
  return result;
}

}  // namespace conopa::image

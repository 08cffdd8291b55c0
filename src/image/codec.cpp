#include "conopa/image/codec.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "conopa/core/error.h"
#include "image/codec_internal.h"

namespace conopa::image {
namespace {

bool starts_with(Bytes bytes, std::string_view prefix, std::size_t at = 0) {
  return bytes.size() >= at + prefix.size() &&
         std::memcmp(bytes.data() + at, prefix.data(), prefix.size()) == 0;
}

bool is_pnm(Bytes bytes) {
  if (bytes.size() < 3 || bytes[0] != std::byte{'P'}) return false;
  const auto kind = static_cast<char>(bytes[1]);
  const auto next = static_cast<char>(bytes[2]);
  return kind >= '1' && kind <= '6' &&
         (next == ' ' || next == '\n' || next == '\r' || next == '\t' || next == '#');
}

/// Names kinds that exist but are not read, for a better message.
std::string describe(Bytes bytes) {
  using namespace std::string_view_literals;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kKnown = {{
      {"GIF8"sv, "a GIF image"},
      {"BM"sv, "a BMP image"},
      {"II*\0"sv, "a TIFF image"},
      {"MM\0*"sv, "a TIFF image"},
      {"<!DO"sv, "an HTML page"},
      {"<htm"sv, "an HTML page"},
  }};
  for (const auto& [prefix, what] : kKnown) {
    if (starts_with(bytes, prefix)) return std::string(what);
  }
  if (starts_with(bytes, "ftyp", 4)) return "a HEIF or AVIF image or a video";
  std::string text = "bytes";
  for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 4); ++i) {
    text += fmt::format(" {:02x}", static_cast<unsigned>(bytes[i]));
  }
  return text;
}

DecodeResult dispatch(const DecodeRequest& request) {
  using namespace std::string_view_literals;
  const Bytes bytes = request.bytes;
  if (bytes.empty()) throw FormatError(request.name, "expected an image, the file is empty");
  if (starts_with(bytes, "\xff\xd8\xff"sv)) return decode_jpeg(request);
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n"sv)) return decode_png(request);
  if (starts_with(bytes, "RIFF"sv) && starts_with(bytes, "WEBP"sv, 8)) return decode_webp(request);
  if (is_pnm(bytes)) return decode_pnm(request);
  throw FormatError(request.name,
                    "expected a JPEG, PNG, WebP or PPM image, found {}; convert it or remove it",
                    describe(bytes));
}

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < 0 || std::filesystem::is_directory(path)) {
    throw IoError(path.string(), "expected a readable image file: {}",
                  errno != 0 ? std::strerror(errno) : "cannot be opened");
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  file.seekg(0);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), size)) {
    throw IoError(path.string(), "expected {} bytes, the file ended or failed after {}", size,
                  static_cast<std::streamoff>(file.gcount()));
  }
  return bytes;
}

}  // namespace

void check_size(const DecodeRequest& request, std::int64_t width, std::int64_t height) {
  if (width < 1 || height < 1) {
    throw FormatError(request.name, "expected at least one pixel, the image is {}x{}", width,
                      height);
  }
  if (width > request.options.max_pixels / height) {
    throw FormatError(request.name,
                      "expected at most {} pixels, the image is {}x{}; scale it down or raise the "
                      "limit",
                      request.options.max_pixels, width, height);
  }
}

std::string_view format_name(Format format) noexcept {
  switch (format) {
    case Format::kJpeg:
      return "JPEG";
    case Format::kPng:
      return "PNG";
    case Format::kWebp:
      return "WebP";
    case Format::kPnm:
      return "PNM";
  }
  return "";
}

Image decode(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  DecodeResult result = dispatch({bytes, name, options});
  if (!options.apply_orientation) return std::move(result.image);
  return apply_orientation(std::move(result.image), result.orientation);
}

Image decode_file(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode(read_file(path), path.string(), options);
}

ImageInfo probe(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  DecodeResult result = dispatch({bytes, name, options, true});
  // Orientations 5 to 8 exchange the sides.
  if (options.apply_orientation && result.orientation >= 5) {
    std::swap(result.info.width, result.info.height);
  }
  return result.info;
}

}  // namespace conopa::image

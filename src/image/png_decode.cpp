#include <png.h>

#include <csetjmp>
#include <cstring>

#include "conopa/core/error.h"
#include "image/codec_internal.h"

namespace conopa::image {
namespace {

/// The calls of libpng. Errors jump back into the running method, which holds no object with a
/// destructor meanwhile; false means an error, see message().
class PngReader {
 public:
  explicit PngReader(Bytes bytes)
      : bytes_(bytes),
        png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning)),
        info_(png_ != nullptr ? png_create_info_struct(png_) : nullptr) {
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Reads the header and asks for 8-bit gray, RGB or RGBA.
  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    png_set_read_fn(png_, this, on_read);
    png_read_info(png_, info_);
    const int colour = png_get_color_type(png_, info_);
    const bool has_key = png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
    if (has_key) png_set_tRNS_to_alpha(png_);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
    if (colour == PNG_COLOR_TYPE_GRAY_ALPHA || (colour == PNG_COLOR_TYPE_GRAY && has_key)) {
      png_set_gray_to_rgb(png_);
    }
    png_set_strip_16(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read_rows(std::uint8_t* target, std::int64_t stride) {
    if (setjmp(jump_) != 0) return false;
    const std::int64_t rows = height();
    for (int pass = 0; pass < passes_; ++pass) {
      for (std::int64_t y = 0; y < rows; ++y) png_read_row(png_, target + y * stride, nullptr);
    }
    return true;
  }

  [[nodiscard]] std::int64_t width() const { return png_get_image_width(png_, info_); }
  [[nodiscard]] std::int64_t height() const { return png_get_image_height(png_, info_); }
  [[nodiscard]] std::int64_t channels() const { return png_get_channels(png_, info_); }
  [[nodiscard]] std::int64_t row_bytes() const {
    return static_cast<std::int64_t>(png_get_rowbytes(png_, info_));
  }
  [[nodiscard]] bool truncated() const { return truncated_; }
  [[nodiscard]] const char* message() const { return message_; }

  [[nodiscard]] int orientation() const {
    png_uint_32 size = 0;
    png_bytep data = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &data) == 0) return 1;
    return exif_orientation(std::as_bytes(std::span(data, size)));
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self->message_, message, sizeof self->message_ - 1);
    std::longjmp(self->jump_, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep target, std::size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->bytes_.size()) {
      self->truncated_ = true;
      png_error(png, "the file ends early");
    }
    std::memcpy(target, self->bytes_.data(), count);
    self->bytes_ = self->bytes_.subspan(count);
  }

  Bytes bytes_;
  std::jmp_buf jump_{};
  char message_[128] = {};
  bool truncated_ = false;
  int passes_ = 1;
  png_structp png_;
  png_infop info_;
};

}  // namespace

DecodeResult decode_png(const DecodeRequest& request) {
  PngReader reader(request.bytes);
  const auto fail = [&] {
    throw FormatError(request.name, "expected a complete PNG image: {}; the file is damaged",
                      reader.message());
  };
  if (!reader.read_header()) fail();
  check_size(request, reader.width(), reader.height());
  DecodeResult result;
  result.info = {Format::kPng, reader.width(), reader.height(), reader.channels()};
  result.orientation = reader.orientation();
  if (request.header_only) return result;

  Image image(reader.width(), reader.height(), reader.channels());
  CONOPA_ASSERT(reader.row_bytes() == image.width * image.channels);
  const bool complete = reader.read_rows(image.pixels.data(), reader.row_bytes());
  if (!complete && !(reader.truncated() && request.options.tolerate_truncated)) fail();
  result.image = std::move(image);
  return result;
}

}  // namespace conopa::image

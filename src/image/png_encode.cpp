#include <png.h>

#include <csetjmp>
#include <exception>
#include <new>

#include "conopa/core/error.h"
#include "conopa/image/codec.h"

namespace conopa::image {
namespace {

/// The calls of libpng; errors jump back into write().
class PngWriter {
 public:
  PngWriter()
      : png_(png_create_write_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning)),
        info_(png_ != nullptr ? png_create_info_struct(png_) : nullptr) {
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  /// False if libpng failed, which for a valid image means lack of memory.
  bool write(const ImageView& image) {
    if (setjmp(jump_) != 0) return false;
    png_set_write_fn(png_, this, on_write, on_flush);
    const int colour = image.channels == 1   ? PNG_COLOR_TYPE_GRAY
                       : image.channels == 3 ? PNG_COLOR_TYPE_RGB
                                             : PNG_COLOR_TYPE_RGB_ALPHA;
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width),
                 static_cast<png_uint_32>(image.height), 8, colour, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    for (std::int64_t y = 0; y < image.height; ++y) png_write_row(png_, image.row(y));
    png_write_end(png_, info_);
    return true;
  }

  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp) {
    std::longjmp(static_cast<PngWriter*>(png_get_error_ptr(png))->jump_, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_write(png_structp png, png_bytep data, std::size_t count) {
    auto* self = static_cast<PngWriter*>(png_get_io_ptr(png));
    bool stored = true;
    try {
      const auto* begin = reinterpret_cast<const std::byte*>(data);
      self->bytes_.insert(self->bytes_.end(), begin, begin + count);
    } catch (const std::exception&) {  // must not pass through C code
      stored = false;
    }
    if (!stored) png_error(png, "out of memory");
  }
  static void on_flush(png_structp) {}

  std::jmp_buf jump_{};
  std::vector<std::byte> bytes_;
  png_structp png_;
  png_infop info_;
};

}  // namespace

std::vector<std::byte> encode_png(const ImageView& image) {
  PngWriter writer;
  if (!writer.write(image)) throw std::bad_alloc();
  return writer.take();
}

}  // namespace conopa::image

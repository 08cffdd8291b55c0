#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>
#include <new>

#include <jpeglib.h>

#include "conopa/core/error.h"
#include "conopa/image/codec.h"

namespace conopa::image {
namespace {

struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
};

[[noreturn]] void on_error(j_common_ptr info) {
  std::longjmp(reinterpret_cast<JpegErrors*>(info->err)->jump, 1);
}
void on_message(j_common_ptr, int) {}

/// Owns the encoder and the memory it writes to.
class JpegWriter {
 public:
  JpegWriter() : info_(), errors_() {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.emit_message = on_message;
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&info_);
    std::free(buffer_);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  /// False if libjpeg failed, which for valid pixels means lack of memory.
  bool write(const ImageView& image, int quality) {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &buffer_, &size_);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.input_components = static_cast<int>(image.channels);
    info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.row(info_.next_scanline));  // only read
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return std::as_bytes(std::span(buffer_, size_));
  }

 private:
  jpeg_compress_struct info_;
  JpegErrors errors_;
  unsigned char* buffer_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<std::byte> encode_jpeg(const ImageView& image, int quality) {
  if (quality < 1 || quality > 100) {
    throw ConfigError("encode_jpeg", "quality must be 1 to 100, got {}", quality);
  }
  if (image.width > JPEG_MAX_DIMENSION || image.height > JPEG_MAX_DIMENSION) {
    throw ShapeError("encode_jpeg", "expected sides of at most {} pixels, got {}x{}; use PNG",
                     JPEG_MAX_DIMENSION, image.width, image.height);
  }
  if (image.channels == 4) return encode_jpeg(to_rgb(image), quality);
  JpegWriter writer;
  if (!writer.write(image, quality)) throw std::bad_alloc();
  const std::span<const std::byte> bytes = writer.bytes();
  return {bytes.begin(), bytes.end()};
}

}  // namespace conopa::image

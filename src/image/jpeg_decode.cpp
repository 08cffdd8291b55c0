#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstring>
#include <memory>
#include <string>

#include <jerror.h>
#include <jpeglib.h>

#include "conopa/core/error.h"
#include "image/alpha.h"
#include "image/codec_internal.h"

namespace conopa::image {
namespace {

/// libjpeg reports errors by a callback that must not return; it jumps back into JpegReader.
struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  bool truncated;
};

JpegErrors& errors_of(j_common_ptr info) { return *reinterpret_cast<JpegErrors*>(info->err); }

[[noreturn]] void on_error(j_common_ptr info) {
  JpegErrors& errors = errors_of(info);
  info->err->format_message(info, errors.message);
  std::longjmp(errors.jump, 1);
}

void on_message(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) errors_of(info).truncated = true;
}

/// A small file may hold thousands of scans, each of which rewrites the whole image.
void on_progress(j_common_ptr info) {
  constexpr int kMostScans = 500;
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number <= kMostScans) return;
  JpegErrors& errors = errors_of(info);
  std::snprintf(errors.message, sizeof errors.message, "more than %d scans", kMostScans);
  std::longjmp(errors.jump, 1);
}

/// The calls of libjpeg. Each method sets the jump target for the errors inside it and holds no
/// object with a destructor meanwhile; false means an error, see message().
class JpegReader {
 public:
  JpegReader() : info_(), errors_(), progress_() {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.emit_message = on_message;
    progress_.progress_monitor = on_progress;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool read_header(Bytes bytes) {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool start() {
    if (setjmp(errors_.jump) != 0) return false;
    info_.out_color_space = info_.num_components == 1   ? JCS_GRAYSCALE
                            : info_.num_components == 3 ? JCS_RGB
                                                        : JCS_CMYK;
    info_.dct_method = JDCT_ISLOW;
    info_.do_fancy_upsampling = TRUE;
    jpeg_start_decompress(&info_);
    return true;
  }

  bool read_rows(std::uint8_t* target, std::int64_t stride, bool stop_when_truncated) {
    if (setjmp(errors_.jump) != 0) return false;
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = target + static_cast<std::int64_t>(info_.output_scanline) * stride;
      jpeg_read_scanlines(&info_, &row, 1);
      if (errors_.truncated && stop_when_truncated) return true;
    }
    return true;
  }

  [[nodiscard]] const jpeg_decompress_struct& info() const { return info_; }
  [[nodiscard]] bool truncated() const { return errors_.truncated; }
  [[nodiscard]] const char* message() const { return errors_.message; }

  [[nodiscard]] int orientation() const {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr;
         marker = marker->next) {
      const Bytes data = std::as_bytes(std::span(marker->data, marker->data_length));
      if (data.size() > 6 && std::memcmp(data.data(), "Exif\0", 6) == 0) {
        return exif_orientation(data);
      }
    }
    return 1;
  }

 private:
  jpeg_decompress_struct info_;
  JpegErrors errors_;
  jpeg_progress_mgr progress_;
};

/// CMYK is stored inverted by everything that writes it (Adobe's convention).
Image inverted_cmyk_to_rgb(const Image& cmyk) {
  Image out(cmyk.width, cmyk.height, 3);
  const std::uint8_t* source = cmyk.pixels.data();
  for (std::uint8_t *target = out.pixels.data(), *end = target + out.pixels.size(); target != end;
       target += 3, source += 4) {
    const int white = source[3];
    for (int c = 0; c < 3; ++c) {
      const int ink = scaled_sample(255U - source[c], source[3]);
      target[c] = static_cast<std::uint8_t>(std::max(white - ink, 0));
    }
  }
  return out;
}

}  // namespace

DecodeResult decode_jpeg(const DecodeRequest& request) {
  JpegReader reader;
  const auto require = [&](bool success) {
    if (success) return;
    throw FormatError(request.name, "expected a JPEG image: {}; the file is damaged",
                      reader.message());
  };
  require(reader.read_header(request.bytes));
  const std::int64_t width = reader.info().image_width;
  const std::int64_t height = reader.info().image_height;
  const std::int64_t stored = reader.info().num_components;
  check_size(request, width, height);
  if (stored != 1 && stored != 3 && stored != 4) {
    throw FormatError(request.name, "expected 1, 3 or 4 JPEG components, found {}", stored);
  }
  DecodeResult result;
  result.info = {Format::kJpeg, width, height, stored == 1 ? 1 : 3};
  result.orientation = reader.orientation();
  if (request.header_only) return result;

  require(reader.start());
  const bool tolerate = request.options.tolerate_truncated;
  Image image(width, height, stored);
  require(reader.read_rows(image.pixels.data(), width * stored, !tolerate));
  if (reader.truncated() && !tolerate) {
    throw FormatError(request.name, "expected a complete JPEG image, the file ends early");
  }
  result.image = stored == 4 ? inverted_cmyk_to_rgb(image) : std::move(image);
  return result;
}

}  // namespace conopa::image

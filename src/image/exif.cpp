#include <libexif/exif-data.h>

#include <cstring>
#include <memory>
#include <vector>

#include "image/codec_internal.h"

namespace conopa::image {

int exif_orientation(Bytes exif) {
  constexpr char kPrefix[6] = {'E', 'x', 'i', 'f', '\0', '\0'};
  constexpr std::size_t kLargest = 65535;  // of a JPEG segment; larger blocks hold no more tags
  std::vector<std::byte> block;
  if (exif.size() < sizeof kPrefix || std::memcmp(exif.data(), kPrefix, sizeof kPrefix) != 0) {
    const auto* prefix = reinterpret_cast<const std::byte*>(kPrefix);
    block.assign(prefix, prefix + sizeof kPrefix);
  }
  block.insert(block.end(), exif.begin(), exif.end());
  if (block.size() > kLargest) block.resize(kLargest);

  struct Unref {
    void operator()(ExifData* data) const { exif_data_unref(data); }
  };
  const std::unique_ptr<ExifData, Unref> data(exif_data_new_from_data(
      reinterpret_cast<const unsigned char*>(block.data()), static_cast<unsigned>(block.size())));
  if (data == nullptr) return 1;
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT || entry->size < 2) return 1;
  const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

}  // namespace conopa::image

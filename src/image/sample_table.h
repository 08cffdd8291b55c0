#pragma once

#include <array>
#include <cstdint>

#include "conopa/image/image.h"

namespace conopa::image {

/// New value for each sample value.
using SampleTable = std::array<std::uint8_t, 256>;

/// @throws ShapeError for an image with alpha, naming the operation.
void require_opaque(const ImageView& image, const char* operation);

/// Replaces every sample by table[sample].
[[nodiscard]] Image apply_table(Image image, const SampleTable& table);

/// Fills a table from a function int → int in 0..255.
template <typename F>
[[nodiscard]] SampleTable make_table(F&& value_of) {
  SampleTable table{};
  for (int v = 0; v < 256; ++v) {
    table[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(value_of(v));
  }
  return table;
}

}  // namespace conopa::image

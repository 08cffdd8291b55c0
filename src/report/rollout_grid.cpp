#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/image/resize.h"
#include "conopa/report/plot.h"

namespace conopa::report {

image::Image rollout_grid(const std::vector<std::vector<CaptionedImage>>& rows,
                          std::int64_t side_px) {
  if (side_px < 1) throw ConfigError("plot", "expected a side of at least 1 px, got {}", side_px);
  if (rows.empty()) return {};
  const std::size_t columns = rows.front().size();
  std::vector<image::Image> pictures;
  for (const std::vector<CaptionedImage>& row : rows) {
    if (row.size() != columns || row.empty()) {
      throw ShapeError("plot", "expected {} pictures in every row, got {}; check the call",
                       std::max<std::size_t>(columns, 1), row.size());
    }
    for (const CaptionedImage& item : row) {
      const std::int64_t height = item.image.height;
      if (height < 1) throw ShapeError("plot", "expected a picture '{}', got none", item.caption);
      const std::int64_t factor = (side_px + height - 1) / height;
      pictures.push_back(image::resize(item.image, item.image.width * factor, height * factor,
                                       image::Filter::kNearest));
    }
  }
  return image_grid(pictures, static_cast<std::int64_t>(columns), 4);
}

}  // namespace conopa::report

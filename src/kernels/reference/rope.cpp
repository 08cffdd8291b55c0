#include <algorithm>
#include <vector>

#include "conopa/core/parallel.h"
#include "kernels/reference/attention.h"
#include "kernels/reference/rope_row.h"

namespace conopa::kernels::reference {

void rope(const RopeShape& shape, const RopeTable& table, RopeDirection direction, ConstRows x,
          MutableRows y) {
  parallel_for(0, shape.batch * shape.tokens, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> head(static_cast<std::size_t>(shape.head_width));
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t h = 0; h < shape.heads; ++h) {
        const float* source = x.row(r) + h * shape.head_width;
        std::copy(source, source + shape.head_width, head.begin());
        rotate_row(table, r / shape.tokens, r % shape.tokens, h, direction, head);
        std::transform(head.begin(), head.end(), y.row(r) + h * shape.head_width,
                       [](double v) { return static_cast<float>(v); });
      }
    }
  });
}

}  // namespace conopa::kernels::reference

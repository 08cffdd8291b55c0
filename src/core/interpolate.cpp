#include "conopa/core/interpolate.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "conopa/core/error.h"

namespace conopa {
namespace {

// Four neighbours of one output coordinate and their weights.
struct Taps {
  std::array<std::int64_t, 4> at;
  std::array<float, 4> weight;
};

// Keys' cubic convolution kernel at distance t ≥ 0.
float cubic(float t) {
  constexpr float a = -0.75F;
  if (t <= 1.0F) return ((a + 2.0F) * t - (a + 3.0F)) * t * t + 1.0F;
  if (t < 2.0F) return ((a * t - 5.0F * a) * t + 8.0F * a) * t - 4.0F * a;
  return 0.0F;
}

std::vector<Taps> axis_taps(std::int64_t size, std::int64_t new_size) {
  std::vector<Taps> taps(static_cast<std::size_t>(new_size));
  const float scale = static_cast<float>(size) / static_cast<float>(new_size);
  for (std::int64_t i = 0; i < new_size; ++i) {
    const float source = scale * (static_cast<float>(i) + 0.5F) - 0.5F;
    const float floor = std::floor(source);
    const float t = source - floor;
    Taps& tap = taps[static_cast<std::size_t>(i)];
    for (std::int64_t k = 0; k < 4; ++k) {
      const auto index = static_cast<std::size_t>(k);
      tap.at[index] =
          std::clamp<std::int64_t>(static_cast<std::int64_t>(floor) + k - 1, 0, size - 1);
      tap.weight[index] = cubic(std::abs(t - static_cast<float>(k - 1)));
    }
  }
  return taps;
}

std::vector<Taps> linear_taps(std::int64_t size, std::int64_t new_size) {
  std::vector<Taps> taps(static_cast<std::size_t>(new_size));
  const float scale = static_cast<float>(size) / static_cast<float>(new_size);
  for (std::int64_t i = 0; i < new_size; ++i) {
    const float source = std::max(scale * (static_cast<float>(i) + 0.5F) - 0.5F, 0.0F);
    const std::int64_t first = std::min(static_cast<std::int64_t>(source), size - 1);
    const std::int64_t second = std::min(first + 1, size - 1);
    const float t = source - static_cast<float>(first);
    taps[static_cast<std::size_t>(i)] = {{first, second, first, first}, {1.0F - t, t, 0.0F, 0.0F}};
  }
  return taps;
}

// One plane, columns first; `narrow` holds rows × x_taps.size() values.
void resize_plane(const float* plane, std::int64_t rows, std::int64_t cols,
                  const std::vector<Taps>& y_taps, const std::vector<Taps>& x_taps, float* narrow,
                  float* out) {
  const auto new_cols = static_cast<std::int64_t>(x_taps.size());
  float* target = narrow;
  for (std::int64_t y = 0; y < rows; ++y) {
    const float* row = plane + y * cols;
    for (const Taps& x : x_taps) {
      *target++ = row[x.at[0]] * x.weight[0] + row[x.at[1]] * x.weight[1] +
                  row[x.at[2]] * x.weight[2] + row[x.at[3]] * x.weight[3];
    }
  }
  for (const Taps& y : y_taps) {
    const float* source[4];
    for (std::size_t k = 0; k < 4; ++k) source[k] = narrow + y.at[k] * new_cols;
    for (std::int64_t x = 0; x < new_cols; ++x) {
      *out++ = source[0][x] * y.weight[0] + source[1][x] * y.weight[1] +
               source[2][x] * y.weight[2] + source[3][x] * y.weight[3];
    }
  }
}

}  // namespace

std::vector<float> resize_planes(std::span<const float> planes, std::int64_t C, std::int64_t rows,
                                 std::int64_t cols, std::int64_t new_rows, std::int64_t new_cols,
                                 PlaneFilter filter) {
  if (rows < 1 || cols < 1 || C < 1 || new_rows < 1 || new_cols < 1 ||
      static_cast<std::int64_t>(planes.size()) != rows * cols * C) {
    throw ShapeError("interpolate", "cannot resize {} values as {}x{}x{} to {}x{}", planes.size(),
                     C, rows, cols, new_rows, new_cols);
  }
  const auto make_taps = filter == PlaneFilter::kBicubic ? axis_taps : linear_taps;
  const std::vector<Taps> y_taps = make_taps(rows, new_rows);
  const std::vector<Taps> x_taps = make_taps(cols, new_cols);
  std::vector<float> narrow(static_cast<std::size_t>(rows * new_cols));
  std::vector<float> out(static_cast<std::size_t>(C * new_rows * new_cols));
  for (std::int64_t c = 0; c < C; ++c) {
    resize_plane(planes.data() + c * rows * cols, rows, cols, y_taps, x_taps, narrow.data(),
                 out.data() + c * new_rows * new_cols);
  }
  return out;
}

std::vector<float> resize_grid_bicubic(std::span<const float> grid, std::int64_t rows,
                                       std::int64_t cols, std::int64_t D, std::int64_t new_rows,
                                       std::int64_t new_cols) {
  if (rows < 1 || cols < 1 || D < 1 || new_rows < 1 || new_cols < 1 ||
      static_cast<std::int64_t>(grid.size()) != rows * cols * D) {
    throw ShapeError("interpolate", "cannot resize {} values as {}x{}x{} to {}x{}", grid.size(),
                     rows, cols, D, new_rows, new_cols);
  }
  const std::vector<Taps> y_taps = axis_taps(rows, new_rows);
  const std::vector<Taps> x_taps = axis_taps(cols, new_cols);
  std::vector<float> out(static_cast<std::size_t>(new_rows * new_cols * D), 0.0F);
  float* target = out.data();
  for (const Taps& y : y_taps) {
    for (const Taps& x : x_taps) {
      for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t j = 0; j < 4; ++j) {
          const float weight = y.weight[i] * x.weight[j];
          const float* source = grid.data() + (y.at[i] * cols + x.at[j]) * D;
          for (std::int64_t d = 0; d < D; ++d) target[d] += weight * source[d];
        }
      }
      target += D;
    }
  }
  return out;
}

}  // namespace conopa

#include "kernels/reference/act_ops.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "conopa/core/dtype.h"
#include "kernels/quantise.h"
#include "kernels/reference/rowwise.h"

namespace conopa::kernels::reference {

namespace {

std::vector<double> widen(const float* x, std::int64_t count) {
  return x == nullptr ? std::vector<double>{} : std::vector<double>{x, x + count};
}

/// Largest magnitude of a row, NaN if any element is.
float largest_magnitude(std::span<const float> values) {
  float largest = 0.0F;
  for (const float v : values) {
    if (std::isnan(v)) return v;
    largest = std::max(largest, std::abs(v));
  }
  return largest;
}

void encode_int8(std::span<const float> values, std::int8_t* to, float& scale) {
  const RowScale s = row_scale(largest_magnitude(values));
  scale = s.scale;
  for (std::size_t i = 0; i < values.size(); ++i) {
    to[i] = s.finite ? static_cast<std::int8_t>(std::nearbyint(values[i] * s.inverse)) : 0;
  }
}

/// A cell of a grid of patches.
struct PatchCell {
  std::int64_t image;
  std::int64_t y;  ///< first line of the patch
  std::int64_t x;
};

PatchCell patch_cell(std::int64_t row, std::int64_t height, std::int64_t width,
                     std::int64_t patch) {
  const std::int64_t columns = (width + patch - 1) / patch;
  const std::int64_t lines = (height + patch - 1) / patch;
  return {row / (lines * columns), row / columns % lines * patch, row % columns * patch};
}

}  // namespace

float decode(const ConstAct& rows, std::int64_t row, std::int64_t i) {
  const std::int64_t at = row * rows.stride + i;
  switch (rows.type) {
    case ActType::kF32:
      return static_cast<const float*>(rows.data)[at];
    case ActType::kBf16:
      return bf16_to_float(static_cast<const std::uint16_t*>(rows.data)[at]);
    case ActType::kI8:
      break;
  }
  return rows.scale[row] * static_cast<float>(static_cast<const std::int8_t*>(rows.data)[at]);
}

void encode_row(std::span<const float> values, const MutableAct& to, std::int64_t row) {
  const std::int64_t at = row * to.stride;
  const auto width = static_cast<std::int64_t>(values.size());
  const std::int64_t pad = act_padded(to.type, width) - width;
  switch (to.type) {
    case ActType::kF32: {
      float* const y = static_cast<float*>(to.data) + at;
      std::fill_n(std::copy(values.begin(), values.end(), y), pad, 0.0F);
      return;
    }
    case ActType::kBf16: {
      std::uint16_t* const y = static_cast<std::uint16_t*>(to.data) + at;
      std::fill_n(std::transform(values.begin(), values.end(), y, float_to_bf16), pad,
                  std::uint16_t{0});
      return;
    }
    case ActType::kI8: {
      std::int8_t* const y = static_cast<std::int8_t*>(to.data) + at;
      encode_int8(values, y, to.scale[row]);
      std::fill_n(y + width, pad, std::int8_t{0});
      return;
    }
  }
}

void norm_rows(const NormRows& args, std::int64_t begin, std::int64_t end) {
  const std::vector<double> weight = widen(args.weight, args.width);
  const std::vector<double> bias = widen(args.bias, args.width);
  std::vector<double> normed(static_cast<std::size_t>(args.width));
  for (std::int64_t row = begin; row < end; ++row) {
    const std::vector<double> x = widen(args.x + row * args.x_stride, args.width);
    norm_row(args.kind, static_cast<double>(args.eps), x, weight, bias, normed);
    std::vector<float> y(normed.size());
    std::transform(normed.begin(), normed.end(), y.begin(),
                   [](double v) { return static_cast<float>(v); });
    encode_row(y, args.y, row);
  }
}

void convert_rows(const ConvertRows& args, std::int64_t begin, std::int64_t end) {
  std::vector<float> values(static_cast<std::size_t>(args.width));
  for (std::int64_t row = begin; row < end; ++row) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = decode(args.x, row, static_cast<std::int64_t>(i));
    }
    encode_row(values, args.y, row);
  }
}

void patch_rows(const PatchRows& args, std::int64_t begin, std::int64_t end, float* /*scratch*/) {
  for (std::int64_t row = begin; row < end; ++row) {
    const PatchCell cell = patch_cell(row, args.height, args.width, args.patch);
    std::vector<float> values;
    for (std::int64_t c = 0; c < args.channels; ++c) {
      for (std::int64_t y = cell.y; y < cell.y + args.patch; ++y) {
        for (std::int64_t x = cell.x; x < cell.x + args.patch; ++x) {
          const std::int64_t plane = cell.image * args.channels + c;
          const bool inside = y < args.height && x < args.width;
          values.push_back(inside ? args.images[(plane * args.height + y) * args.width + x] : 0.0F);
        }
      }
    }
    encode_row(values, args.y, row);
  }
}

void map_patches(const MapPatches& args, std::int64_t begin, std::int64_t end, float* /*scratch*/) {
  for (std::int64_t row = begin; row < end; ++row) {
    const PatchCell cell = patch_cell(row, args.height, args.width, args.patch);
    std::vector<float> values;
    for (std::int64_t c = 0; c < args.channels; ++c) {
      for (std::int64_t y = cell.y; y < cell.y + args.patch; ++y) {
        for (std::int64_t x = cell.x; x < cell.x + args.patch; ++x) {
          const std::int64_t token = (cell.image * args.height + y) * args.width + x;
          const bool inside = y < args.height && x < args.width;
          values.push_back(inside ? decode(args.map, token, c) : 0.0F);
        }
      }
    }
    encode_row(values, args.y, row);
  }
}

void depthwise_rows(const DepthwiseRows& args, std::int64_t begin, std::int64_t end) {
  for (std::int64_t line = begin; line < end; ++line) {
    const std::int64_t first =
        (line / args.height * args.rows_per_image + args.first_row) * args.stride;
    const std::int64_t y = line % args.height;
    for (std::int64_t x = 0; x < args.width; ++x) {
      for (std::int64_t c = 0; c < args.channels; ++c) {
        const std::int64_t at = first + (y * args.width + x) * args.stride + c;
        double sum = static_cast<double>(args.x[at]);
        if (args.bias != nullptr) sum += static_cast<double>(args.bias[c]);
        for (std::int64_t tap = 0; tap < 9; ++tap) {
          const std::int64_t ty = y + tap / 3 - 1;
          const std::int64_t tx = x + tap % 3 - 1;
          if (ty < 0 || ty >= args.height || tx < 0 || tx >= args.width) continue;
          sum += static_cast<double>(args.weight[tap * args.channels + c]) *
                 static_cast<double>(args.x[first + (ty * args.width + tx) * args.stride + c]);
        }
        args.y[at] = static_cast<float>(sum);
      }
    }
  }
}

}  // namespace conopa::kernels::reference

#include "conopa/image/geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numbers>
#include <vector>

#include "conopa/core/error.h"
#include "image/alpha.h"

namespace conopa::image {
namespace {

/// Rounds down; for values above -1. std::floor is a call where SSE4.1 is not assumed.
std::int64_t floor_index(double v) {
  const auto whole = static_cast<std::int64_t>(v);
  return whole - static_cast<std::int64_t>(v < static_cast<double>(whole));
}

/// Written so that NaN is outside.
bool inside(const ImageView& in, double x, double y) {
  return x >= 0.0 && x < static_cast<double>(in.width) && y >= 0.0 &&
         y < static_cast<double>(in.height);
}

/// Whole part of a coordinate, -1 for what is negative or NaN.
std::int64_t whole_index(double v) {
  return v >= 0.0 ? static_cast<std::int64_t>(std::min(v, 4e18)) : -1;
}

/// The input at a position between pixels (centres at .5), or false outside. Horizontal neighbours
/// are combined first; all in double precision in PIL's order, because the result is cut off and
/// not rounded.
template <std::int64_t kChannels>
struct Bilinear {
  static bool sample(const ImageView& in, double x, double y, std::uint8_t* out) {
    if (!inside(in, x, y)) return false;
    const std::int64_t left = floor_index(x - 0.5);
    const std::int64_t top = floor_index(y - 0.5);
    const double dx = x - 0.5 - static_cast<double>(left);
    const double dy = y - 0.5 - static_cast<double>(top);
    const std::int64_t x0 = std::max(left, std::int64_t{0}) * kChannels;
    const std::int64_t x1 = std::min(left + 1, in.width - 1) * kChannels;
    const std::uint8_t* upper = in.row(std::max(top, std::int64_t{0}));
    const std::uint8_t* lower = in.row(std::min(top + 1, in.height - 1));
    for (std::int64_t c = 0; c < kChannels; ++c) {
      const double v1 = upper[x0 + c] + (upper[x1 + c] - upper[x0 + c]) * dx;
      const double v2 = lower[x0 + c] + (lower[x1 + c] - lower[x0 + c]) * dx;
      out[c] = static_cast<std::uint8_t>(v1 + (v2 - v1) * dy);
    }
    return true;
  }
};

/// The cubic through v2 and v3 at the fraction d between them.
double cubic(double v1, double v2, double v3, double v4, double d) {
  const double p2 = -v1 + v3;
  const double p3 = 2 * (v1 - v2) + v3 - v4;
  const double p4 = -v1 + v2 - v3 + v4;
  return v2 + d * (p2 + d * (p3 + d * p4));
}

/// The same of samples, whose coefficients are exact in integers.
double cubic(int v1, int v2, int v3, int v4, double d) {
  const auto p2 = static_cast<double>(v3 - v1);
  const auto p3 = static_cast<double>(2 * (v1 - v2) + v3 - v4);
  const auto p4 = static_cast<double>(v2 - v1 + v4 - v3);
  return static_cast<double>(v2) + d * (p2 + d * (p3 + d * p4));
}

std::uint8_t cut_off(double v) {
  if (v <= 0.0) return 0;
  return v >= 255.0 ? std::uint8_t{255} : static_cast<std::uint8_t>(static_cast<int>(v));
}

template <std::int64_t kChannels>
struct Bicubic {
  static bool sample(const ImageView& in, double x, double y, std::uint8_t* out) {
    if (!inside(in, x, y)) return false;
    const std::int64_t left = floor_index(x - 0.5);
    const std::int64_t top = floor_index(y - 0.5);
    const double dx = x - 0.5 - static_cast<double>(left);
    const double dy = y - 0.5 - static_cast<double>(top);
    const auto column = [&](std::int64_t k) {
      return std::clamp(left + k, std::int64_t{0}, in.width - 1) * kChannels;
    };
    const auto row = [&](std::int64_t k) {
      return in.row(std::clamp(top + k, std::int64_t{0}, in.height - 1));
    };
    const std::int64_t xs[4] = {column(-1), column(0), column(1), column(2)};
    const auto along = [&](const std::uint8_t* pixels, std::int64_t c) {
      return cubic(pixels[xs[0] + c], pixels[xs[1] + c], pixels[xs[2] + c], pixels[xs[3] + c], dx);
    };
    // Without a fraction a cubic is its second point: shears and shifts need one axis only.
    if (dy == 0.0) {
      const std::uint8_t* here = row(0);
      for (std::int64_t c = 0; c < kChannels; ++c) out[c] = cut_off(along(here, c));
      return true;
    }
    const std::uint8_t* rows[4] = {row(-1), row(0), row(1), row(2)};
    if (dx == 0.0) {
      for (std::int64_t c = xs[1]; c < xs[1] + kChannels; ++c) {
        *out++ = cut_off(cubic(rows[0][c], rows[1][c], rows[2][c], rows[3][c], dy));
      }
      return true;
    }
    for (std::int64_t c = 0; c < kChannels; ++c) {
      out[c] = cut_off(
          cubic(along(rows[0], c), along(rows[1], c), along(rows[2], c), along(rows[3], c), dy));
    }
    return true;
  }
};

template <typename Sampler>
void sample_all(const ImageView& in, const AffineMatrix& m, Image& out) {
  for (std::int64_t y = 0; y < out.height; ++y) {
    std::uint8_t* target = out.row(y);
    const double yc = static_cast<double>(y) + 0.5;
    for (std::int64_t x = 0; x < out.width; ++x, target += out.channels) {
      const double xc = static_cast<double>(x) + 0.5;
      Sampler::sample(in, m[0] * xc + m[1] * yc + m[2], m[3] * xc + m[4] * yc + m[5], target);
    }
  }
}

template <template <std::int64_t> class Sampler>
void sample_channels(const ImageView& in, const AffineMatrix& m, Image& out) {
  if (in.channels == 1) return sample_all<Sampler<1>>(in, m, out);
  if (in.channels == 3) return sample_all<Sampler<3>>(in, m, out);
  sample_all<Sampler<4>>(in, m, out);
}

void copy_pixel(const ImageView& in, std::int64_t x, std::int64_t y, std::uint8_t* target) {
  if (x < 0 || x >= in.width || y < 0 || y >= in.height) return;
  std::memcpy(target, in.row(y) + x * in.channels, static_cast<std::size_t>(in.channels));
}

/// Positions that add up step by step, as PIL's scaling does; -1 left of the input.
std::vector<std::int64_t> scaled_positions(double start, double step, std::int64_t count) {
  std::vector<std::int64_t> positions(static_cast<std::size_t>(count));
  double at = start + step * 0.5;
  for (std::int64_t& position : positions) {
    position = whole_index(at);
    at += step;
  }
  return positions;
}

void nearest_scaled(const ImageView& in, const AffineMatrix& m, Image& out) {
  const auto xs = scaled_positions(m[2], m[0], out.width);
  const auto ys = scaled_positions(m[5], m[4], out.height);
  for (std::int64_t y = 0; y < out.height; ++y) {
    std::uint8_t* target = out.row(y);
    for (const std::int64_t x : xs) {
      copy_pixel(in, x, ys[static_cast<std::size_t>(y)], target);
      target += out.channels;
    }
  }
}

/// Whether 16.16 fixed point holds the positions of all corners.
bool fits_fixed_point(const AffineMatrix& m, std::int64_t width, std::int64_t height) {
  const auto fits = [&](std::int64_t x, std::int64_t y) {
    const auto xd = static_cast<double>(x);
    const auto yd = static_cast<double>(y);
    return std::fabs(xd * m[0] + yd * m[1] + m[2]) < 32768.0 &&
           std::fabs(xd * m[3] + yd * m[4] + m[5]) < 32768.0;
  };
  return fits(0, 0) && fits(width, height) && fits(0, height) && fits(width, 0);
}

void nearest_fixed(const ImageView& in, const AffineMatrix& m, Image& out) {
  const auto fixed = [](double v) {
    return static_cast<std::int64_t>(std::floor(v * 65536.0 + 0.5));
  };
  const std::int64_t a0 = fixed(m[0]);
  const std::int64_t a1 = fixed(m[1]);
  const std::int64_t a3 = fixed(m[3]);
  const std::int64_t a4 = fixed(m[4]);
  const std::int64_t x_start = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5);
  const std::int64_t y_start = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (std::int64_t y = 0; y < out.height; ++y) {
    std::uint8_t* target = out.row(y);
    std::int64_t at_x = x_start + a1 * y;
    std::int64_t at_y = y_start + a4 * y;
    for (std::int64_t x = 0; x < out.width; ++x, at_x += a0, at_y += a3) {
      copy_pixel(in, at_x >> 16, at_y >> 16, target);
      target += out.channels;
    }
  }
}

void nearest_double(const ImageView& in, const AffineMatrix& m, Image& out) {
  double row_x = m[2] + m[1] * 0.5 + m[0] * 0.5;
  double row_y = m[5] + m[4] * 0.5 + m[3] * 0.5;
  for (std::int64_t y = 0; y < out.height; ++y, row_x += m[1], row_y += m[4]) {
    std::uint8_t* target = out.row(y);
    double at_x = row_x;
    double at_y = row_y;
    for (std::int64_t x = 0; x < out.width; ++x, at_x += m[0], at_y += m[3]) {
      copy_pixel(in, whole_index(at_x), whole_index(at_y), target);
      target += out.channels;
    }
  }
}

void sample_nearest(const ImageView& in, const AffineMatrix& m, Image& out) {
  if (m[1] == 0.0 && m[3] == 0.0) return nearest_scaled(in, m, out);
  if (fits_fixed_point(m, out.width, out.height)) return nearest_fixed(in, m, out);
  nearest_double(in, m, out);
}

Image filled(std::int64_t width, std::int64_t height, std::int64_t channels, const Fill& fill) {
  Image out(width, height, channels);
  const auto pixel_bytes = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < out.pixels.size(); i += pixel_bytes) {
    std::memcpy(&out.pixels[i], fill.data(), pixel_bytes);
  }
  return out;
}

/// Rounds to 15 decimal places, so that the cosine of 90 degrees is 0.
double round_15(double value) {
  return std::strtod(fmt::format("{:.15f}", value).c_str(), nullptr);
}

Image same_size(const ImageView& image, const AffineMatrix& matrix, Filter filter,
                const Fill& fill) {
  return affine(image, image.width, image.height, matrix, filter, fill);
}

}  // namespace

Image affine(const ImageView& image, std::int64_t width, std::int64_t height,
             const AffineMatrix& matrix, Filter filter, const Fill& fill) {
  const bool finite =
      std::all_of(matrix.begin(), matrix.end(), [](double v) { return std::isfinite(v); });
  if (!finite) throw ConfigError("affine", "expected a finite matrix");
  if (image.channels == 4 && filter != Filter::kNearest) {
    const Image mixed = premultiplied(image);
    Image out = filled(width, height, 4, fill);
    filter == Filter::kBicubic ? sample_channels<Bicubic>(mixed, matrix, out)
                               : sample_channels<Bilinear>(mixed, matrix, out);
    return unpremultiplied(std::move(out));
  }
  Image out = filled(width, height, image.channels, fill);
  switch (filter) {
    case Filter::kNearest:
      sample_nearest(image, matrix, out);
      break;
    case Filter::kBilinear:
      sample_channels<Bilinear>(image, matrix, out);
      break;
    case Filter::kBicubic:
      sample_channels<Bicubic>(image, matrix, out);
      break;
    default:
      throw ConfigError("affine", "filter must be nearest, bilinear or bicubic, got {}",
                        enum_name(filter));
  }
  return out;
}

Image rotate(const ImageView& image, double degrees, Filter filter, const Fill& fill) {
  double turn = std::fmod(degrees, 360.0);
  if (turn < 0.0) turn += 360.0;
  if (turn == 0.0) return Image(image);
  if (turn == 180.0) return rotate_quarter(image, 2);
  const bool square = image.width == image.height;
  if (square && turn == 90.0) return rotate_quarter(image, 1);
  if (square && turn == 270.0) return rotate_quarter(image, 3);

  const double angle = -(turn * (std::numbers::pi / 180.0));
  const double cosine = round_15(std::cos(angle));
  const double sine = round_15(std::sin(angle));
  const double x = static_cast<double>(image.width) / 2.0;
  const double y = static_cast<double>(image.height) / 2.0;
  const AffineMatrix matrix = {cosine, sine,   cosine * -x + sine * -y + 0.0 + x,
                               -sine,  cosine, -sine * -x + cosine * -y + 0.0 + y};
  return same_size(image, matrix, filter, fill);
}

Image shear_x(const ImageView& image, double factor, Filter filter, const Fill& fill) {
  return same_size(image, {1, factor, 0, 0, 1, 0}, filter, fill);
}

Image shear_y(const ImageView& image, double factor, Filter filter, const Fill& fill) {
  return same_size(image, {1, 0, 0, factor, 1, 0}, filter, fill);
}

Image translate_x(const ImageView& image, double pixels, Filter filter, const Fill& fill) {
  return same_size(image, {1, 0, pixels, 0, 1, 0}, filter, fill);
}

Image translate_y(const ImageView& image, double pixels, Filter filter, const Fill& fill) {
  return same_size(image, {1, 0, 0, 0, 1, pixels}, filter, fill);
}

}  // namespace conopa::image

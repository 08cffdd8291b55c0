#include "conopa/report/activation_overlay.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "conopa/core/error.h"
#include "conopa/image/resize.h"

namespace conopa::report {
namespace {

using Colour = std::array<double, 3>;

// Equally spaced from 0 to 1; lightness rises, so that the map survives printing in grays.
constexpr std::array<Colour, 5> kColours = {
    {{16, 18, 92}, {112, 22, 140}, {208, 56, 96}, {246, 148, 52}, {252, 242, 120}}};

constexpr Colour kFoundTrue = {58, 110, 165};
constexpr Colour kFoundOnly = {201, 102, 47};
constexpr Colour kTrueOnly = {122, 98, 168};

Colour colour_of(double value) {
  const double place = value * static_cast<double>(kColours.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(place), kColours.size() - 2);
  const double share = place - static_cast<double>(low);
  Colour out{};
  for (std::size_t c = 0; c < out.size(); ++c) {
    out[c] = kColours[low][c] + share * (kColours[low + 1][c] - kColours[low][c]);
  }
  return out;
}

void check(const image::Image& picture, std::size_t values, std::int64_t rows, std::int64_t cols,
           double opacity) {
  if (rows < 1 || cols < 1 || static_cast<std::int64_t>(values) != rows * cols ||
      picture.width < 1 || picture.height < 1) {
    throw ShapeError("overlay", "expected {}x{} values over a picture, got {} values over {}x{} px",
                     rows, cols, values, picture.width, picture.height);
  }
  if (!(opacity >= 0.0 && opacity <= 1.0)) {
    throw ConfigError("overlay", "expected an opacity from 0 to 1, got {}", opacity);
  }
}

// RGBA picture of one pixel per token laid over the picture in grays.
image::Image blend(const image::Image& picture, const image::Image& tokens, double opacity) {
  image::Image out = image::to_rgb(image::to_gray(picture));
  const image::Image large = image::resize(tokens, out.width, out.height, image::Filter::kNearest);
  for (std::size_t pixel = 0; 3 * pixel < out.pixels.size(); ++pixel) {
    const double weight = opacity * large.pixels[4 * pixel + 3] / 255.0;
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& sample = out.pixels[3 * pixel + c];
      sample = static_cast<std::uint8_t>(
          std::lround((1.0 - weight) * sample + weight * large.pixels[4 * pixel + c]));
    }
  }
  return out;
}

void set(image::Image& tokens, std::size_t token, const Colour& colour) {
  for (std::size_t c = 0; c < colour.size(); ++c) {
    tokens.pixels[4 * token + c] = static_cast<std::uint8_t>(std::lround(colour[c]));
  }
  tokens.pixels[4 * token + 3] = 255;
}

}  // namespace

image::Image activation_overlay(const image::Image& picture, const ActivationMap& map,
                                double opacity) {
  check(picture, map.values.size(), map.rows, map.cols, opacity);
  image::Image tokens(map.cols, map.rows, 4);
  for (std::size_t t = 0; t < map.values.size(); ++t) {
    const double value = map.values[t];
    if (!(value >= 0.0 && value <= 1.0)) {
      throw FormatError("overlay", "expected values from 0 to 1, found {}", value);
    }
    set(tokens, t, colour_of(value));
  }
  return blend(picture, tokens, opacity);
}

image::Image mask_overlay(const image::Image& picture, const MaskPair& masks, double opacity) {
  check(picture, masks.found.size(), masks.rows, masks.cols, opacity);
  check(picture, masks.truth.size(), masks.rows, masks.cols, opacity);
  image::Image tokens(masks.cols, masks.rows, 4);
  for (std::size_t t = 0; t < masks.found.size(); ++t) {
    const bool found = masks.found[t] != 0;
    const bool truth = masks.truth[t] != 0;
    if (found || truth) set(tokens, t, !truth ? kFoundOnly : found ? kFoundTrue : kTrueOnly);
  }
  return blend(picture, tokens, opacity);
}

}  // namespace conopa::report

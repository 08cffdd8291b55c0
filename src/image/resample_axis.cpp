#include <algorithm>
#include <cmath>
#include <numbers>

#include "image/resample.h"

namespace conopa::image {
namespace {

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double hamming(double x) {
  x = std::fabs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  // Constants in single precision, as in PIL: they decide the last bit of some weights.
  return std::sin(x) / x * (double{0.54F} + double{0.46F} * std::cos(x));
}

double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

double filter_value(Filter filter, double x) {
  switch (filter) {
    case Filter::kBox:
      return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case Filter::kBilinear:
      return std::max(0.0, 1.0 - std::fabs(x));
    case Filter::kHamming:
      return hamming(x);
    case Filter::kBicubic:
      return bicubic(x);
    case Filter::kLanczos:
      return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
    case Filter::kNearest:
      break;
  }
  return 0.0;
}

double filter_support(Filter filter) {
  switch (filter) {
    case Filter::kBox:
      return 0.5;
    case Filter::kBilinear:
    case Filter::kHamming:
      return 1.0;
    case Filter::kBicubic:
      return 2.0;
    case Filter::kLanczos:
      return 3.0;
    case Filter::kNearest:
      break;
  }
  return 0.0;
}

std::int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << kWeightBits);
  return static_cast<std::int32_t>(weight < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

void split_weights(ResampleAxis& axis, std::int64_t group) {
  axis.split.resize(axis.weight.size() * 2);
  for (std::size_t i = 0; i < axis.weight.size(); ++i) {
    const std::size_t g = static_cast<std::size_t>(group);
    const std::size_t at = i / g * 2 * g + i % g;
    axis.split[at] = static_cast<std::int16_t>(axis.weight[i] >> kSplitBits);
    axis.split[at + g] = static_cast<std::int16_t>(axis.weight[i] & ((1 << kSplitBits) - 1));
  }
}

}  // namespace

ResampleAxis make_resample_axis(std::int64_t in_size, float low, float high, std::int64_t out_size,
                                Filter filter, std::int64_t tap_group) {
  // The difference is taken in single precision, as in PIL.
  const double scale = static_cast<double>(high - low) / static_cast<double>(out_size);
  const double widening = std::max(scale, 1.0);
  const double support = filter_support(filter) * widening;
  const std::int64_t most =
      std::min(static_cast<std::int64_t>(std::ceil(support)) * 2 + 1, in_size);

  ResampleAxis axis;
  axis.taps = (most + tap_group - 1) / tap_group * tap_group;
  axis.first.resize(static_cast<std::size_t>(out_size));
  axis.count.resize(static_cast<std::size_t>(out_size));
  axis.weight.resize(static_cast<std::size_t>(out_size * axis.taps));
  std::vector<double> values(static_cast<std::size_t>(most));
  for (std::int64_t i = 0; i < out_size; ++i) {
    const double center = low + (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max(static_cast<std::int64_t>(center - support + 0.5), std::int64_t{0});
    const auto end = std::min(static_cast<std::int64_t>(center + support + 0.5), in_size);
    const std::int64_t count = std::clamp(end - first, std::int64_t{0}, most);
    double total = 0.0;
    for (std::int64_t k = 0; k < count; ++k) {
      const double at = (static_cast<double>(k + first) - center + 0.5) * (1.0 / widening);
      values[static_cast<std::size_t>(k)] = filter_value(filter, at);
      total += values[static_cast<std::size_t>(k)];
    }
    axis.first[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(first);
    axis.count[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(count);
    for (std::int64_t k = 0; k < count; ++k) {
      double value = values[static_cast<std::size_t>(k)];
      if (total != 0.0) value /= total;
      axis.weight[static_cast<std::size_t>(i * axis.taps + k)] = to_fixed(value);
    }
  }
  split_weights(axis, tap_group);
  return axis;
}

}  // namespace conopa::image

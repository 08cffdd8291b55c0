#include "conopa/eval/zero_shot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "conopa/core/error.h"

namespace conopa::eval {
namespace {

constexpr double kLargestScale = 100.0;

template <typename Value>
double dot(std::span<const Value> a, std::span<const Value> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

template <typename Value>
double length(std::span<const Value> vector) {
  return std::sqrt(dot(vector, vector));
}

// A length that one can divide by.
bool usable(double value) { return std::isfinite(value) && value > 0.0; }

template <typename Value>
std::span<Value> row(std::span<Value> rows, std::int64_t index, std::int64_t width) {
  return rows.subspan(static_cast<std::size_t>(index * width), static_cast<std::size_t>(width));
}

}  // namespace

ClassTexts::ClassTexts(std::int64_t classes, std::int64_t width) : width_(width) {
  if (classes < 1 || width < 1) {
    throw ConfigError("zero-shot", "expected at least one class and one value, got {} and {}",
                      classes, width);
  }
  sums_.resize(static_cast<std::size_t>(classes * width));
}

std::int64_t ClassTexts::classes() const noexcept { return std::ssize(sums_) / width_; }

void ClassTexts::add(std::int64_t index, std::span<const float> text) {
  if (index < 0 || index >= classes() || std::ssize(text) != width_) {
    throw ShapeError("zero-shot", "expected {} values for a class below {}, got {} for class {}",
                     width_, classes(), text.size(), index);
  }
  const double norm = length(text);
  if (!usable(norm)) {
    throw RunError("zero-shot",
                   "expected a finite vector with a direction for a text of class {}, found one of "
                   "length {}; the text tower's weights are damaged, or try --precision fp32",
                   index, norm);
  }
  const std::span<double> sum = row(std::span(sums_), index, width_);
  for (std::size_t i = 0; i < text.size(); ++i) sum[i] += static_cast<double>(text[i]) / norm;
}

std::vector<float> ClassTexts::unit_rows() const {
  std::vector<float> out;
  out.reserve(sums_.size());
  for (std::int64_t k = 0; k < classes(); ++k) {
    const std::span<const double> sum = row(std::span(sums_), k, width_);
    const double norm = length(sum);
    if (!usable(norm)) {
      throw RunError("zero-shot",
                     "expected texts that point somewhere for class {}, found none, or some that "
                     "cancel out",
                     k);
    }
    for (const double value : sum) out.push_back(static_cast<float>(value / norm));
  }
  return out;
}

double similarity_scale(double logit_scale) noexcept {
  return std::exp(std::clamp(logit_scale, 0.0, std::log(kLargestScale)));
}

std::vector<float> similarity_logits(std::span<const float> images, std::span<const float> classes,
                                     std::int64_t width, double scale) {
  if (width < 1 || std::ssize(images) % width != 0 || std::ssize(classes) % width != 0) {
    throw ShapeError("zero-shot", "expected rows of {} values, got {} of images and {} of classes",
                     width, images.size(), classes.size());
  }
  const std::int64_t count = std::ssize(images) / width;
  const std::int64_t num_classes = std::ssize(classes) / width;
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(count * num_classes));
  for (std::int64_t b = 0; b < count; ++b) {
    const std::span<const float> image = row(images, b, width);
    const double norm = length(image);
    const double factor = usable(norm) ? scale / norm : std::numeric_limits<double>::quiet_NaN();
    for (std::int64_t k = 0; k < num_classes; ++k) {
      out.push_back(static_cast<float>(factor * dot(image, row(classes, k, width))));
    }
  }
  return out;
}

}  // namespace conopa::eval

#include "layer_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "conopa/core/error.h"

namespace conopa::app {
namespace {

constexpr std::string_view kLogits = "logits";

const LayerValues& partner(const LayerValues& layer, const std::vector<LayerValues>& expected) {
  const auto other = std::ranges::find(expected, layer.name, &LayerValues::name);
  if (other == expected.end()) {
    throw CheckError("check", "expected the layer {} in both networks, one lacks it", layer.name);
  }
  if (other->shape != layer.shape) {
    throw CheckError("check", "expected the layer {} of shape {}, found {}", layer.name,
                     to_string(other->shape), to_string(layer.shape));
  }
  return *other;
}

void add_values(const LayerValues& found, const LayerValues& expected, LayerError& error) {
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    const double f = found.values[i];
    const double e = expected.values[i];
    const double difference = std::abs(f - e);
    // Written so that a difference that is not a number stays.
    if (!(difference <= error.max_abs)) error.max_abs = difference;
    error.largest = std::max(error.largest, std::abs(e));
    error.product += f * e;
    error.found_square += f * f;
    error.expected_square += e * e;
  }
}

std::int64_t same_top(const LayerValues& found, const LayerValues& expected) {
  const std::int64_t classes = found.shape[1];
  const auto top = [classes](const LayerValues& logits, std::int64_t image) {
    const auto begin = logits.values.begin() + image * classes;
    return std::max_element(begin, begin + classes) - begin;
  };
  std::int64_t same = 0;
  for (std::int64_t image = 0; image < found.shape[0]; ++image) {
    if (top(found, image) == top(expected, image)) ++same;
  }
  return same;
}

}  // namespace

double LayerError::relative() const {
  if (max_abs == 0.0) return 0.0;
  return largest > 0.0 ? max_abs / largest : std::numeric_limits<double>::infinity();
}

double LayerError::cosine() const {
  const double lengths = std::sqrt(found_square) * std::sqrt(expected_square);
  if (lengths == 0.0) return found_square == expected_square ? 1.0 : 0.0;
  return product / lengths;
}

void LayerErrors::add(const std::vector<LayerValues>& found,
                      const std::vector<LayerValues>& expected) {
  const std::int64_t images = found.front().shape.front();
  bool classified = false;
  for (const LayerValues& layer : found) {
    const LayerValues& other = partner(layer, expected);
    auto row = std::ranges::find(rows_, layer.name, &LayerError::name);
    if (row == rows_.end()) row = rows_.insert(rows_.end(), {.name = layer.name});
    add_values(layer, other, *row);
    if (layer.name == kLogits) {
      same_top1_ += same_top(layer, other);
      classified = true;
    }
  }
  images_ += images;
  if (!classified) same_top1_ += images;
}

const LayerError& LayerErrors::worst() const {
  return *std::ranges::max_element(rows_, [](const LayerError& a, const LayerError& b) {
    const auto rank = [](const LayerError& error) {
      const double value = error.relative();
      return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
    };
    return rank(a) < rank(b);
  });
}

}  // namespace conopa::app

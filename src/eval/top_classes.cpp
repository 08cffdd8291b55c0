#include "conopa/eval/top_classes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "conopa/core/error.h"

namespace conopa::eval {

std::vector<Prediction> top_classes(std::span<const float> logits, std::int64_t count) {
  const auto value = [logits](std::int64_t k) {
    return static_cast<double>(logits[static_cast<std::size_t>(k)]);
  };
  std::vector<std::int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (const std::int64_t k : order) {
    if (std::isfinite(value(k))) continue;
    throw RunError("predict",
                   "expected finite outputs of the model, found {} for class {}; its weights are "
                   "damaged, or try --precision fp32",
                   value(k), k);
  }
  const std::ptrdiff_t kept = std::min<std::ptrdiff_t>(count, std::ssize(order));
  std::partial_sort(order.begin(), order.begin() + kept, order.end(),
                    [&value](std::int64_t a, std::int64_t b) {
                      return value(a) != value(b) ? value(a) > value(b) : a < b;
                    });
  if (kept == 0) return {};
  const double top = value(order.front());
  double sum = 0.0;
  for (const std::int64_t k : order) sum += std::exp(value(k) - top);
  std::vector<Prediction> out;
  for (std::ptrdiff_t i = 0; i < kept; ++i) {
    const std::int64_t k = order[static_cast<std::size_t>(i)];
    out.push_back({.index = k, .probability = std::exp(value(k) - top) / sum});
  }
  return out;
}

}  // namespace conopa::eval

#include "conopa/eval/sample_predictions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace conopa::eval {

std::vector<std::pair<std::int64_t, double>> top_classes(std::span<const float> logits,
                                                         std::int64_t count) {
  const auto at = [logits](std::int64_t k) {
    const float value = logits[static_cast<std::size_t>(k)];
    return std::isnan(value) ? -std::numeric_limits<double>::infinity()
                             : static_cast<double>(value);
  };
  std::vector<std::int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto kept = std::min<std::ptrdiff_t>(count, std::ssize(order));
  std::partial_sort(
      order.begin(), order.begin() + kept, order.end(),
      [&at](std::int64_t a, std::int64_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  if (kept == 0) return {};
  const double top = at(order.front());
  double sum = 0.0;
  for (const std::int64_t k : order) sum += std::exp(at(k) - top);
  std::vector<std::pair<std::int64_t, double>> out;
  for (std::ptrdiff_t i = 0; i < kept; ++i) {
    const std::int64_t k = order[static_cast<std::size_t>(i)];
    out.emplace_back(k, std::exp(at(k) - top) / sum);
  }
  return out;
}

void SampleKeeper::add(std::span<const float> logits, std::span<const std::int64_t> indices,
                       std::span<const std::int64_t> labels) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (!spread_.takes_next()) continue;
    const std::size_t classes = logits.size() / indices.size();
    samples_.push_back({.index = indices[i],
                        .label = labels[i],
                        .top = top_classes(logits.subspan(i * classes, classes), top_k_)});
  }
}

}  // namespace conopa::eval

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/reference/rowwise.h"

namespace conopa::kernels::reference {

namespace {

std::vector<double> target_row(const LossTarget& target, std::size_t row, std::size_t classes) {
  if (!target.dense.empty()) {
    const auto dense = target.dense.subspan(row * classes, classes);
    return {dense.begin(), dense.end()};
  }
  const auto smoothing = static_cast<double>(target.smoothing);
  std::vector<double> t(classes, smoothing / static_cast<double>(classes));
  t[static_cast<std::size_t>(target.labels[row])] += 1.0 - smoothing;
  return t;
}

std::vector<double> logits_row(std::span<const float> logits, std::size_t row,
                               std::size_t classes) {
  const auto values = logits.subspan(row * classes, classes);
  return {values.begin(), values.end()};
}

}  // namespace

LossRow cross_entropy_row(std::span<const double> logits, std::span<const double> target) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const double x : logits) sum += std::exp(x - top);
  LossRow r{.lse = top + std::log(sum)};
  for (std::size_t k = 0; k < logits.size(); ++k) r.loss += target[k] * (r.lse - logits[k]);
  return r;
}

void cross_entropy_row_backward(std::span<const double> logits, std::span<const double> target,
                                double dloss, std::span<double> dlogits) {
  const double lse = cross_entropy_row(logits, target).lse;
  double mass = 0.0;
  for (const double t : target) mass += t;
  for (std::size_t k = 0; k < logits.size(); ++k) {
    dlogits[k] = dloss * (std::exp(logits[k] - lse) * mass - target[k]);
  }
}

void cross_entropy_forward(std::int64_t classes, std::span<const float> logits,
                           const LossTarget& target, std::span<float> loss, std::span<float> lse) {
  const auto k = static_cast<std::size_t>(classes);
  for (std::size_t row = 0; row < loss.size(); ++row) {
    const LossRow r = cross_entropy_row(logits_row(logits, row, k), target_row(target, row, k));
    loss[row] = static_cast<float>(r.loss);
    if (!lse.empty()) lse[row] = static_cast<float>(r.lse);
  }
}

void cross_entropy_backward(std::int64_t classes, std::span<const float> logits,
                            const LossTarget& target, std::span<const float> lse,
                            std::span<const float> dloss, std::span<float> dlogits) {
  const auto k = static_cast<std::size_t>(classes);
  std::vector<double> gradient(k);
  for (std::size_t row = 0; row < lse.size(); ++row) {
    const double d = static_cast<double>(dloss[dloss.size() == 1 ? 0 : row]);
    cross_entropy_row_backward(logits_row(logits, row, k), target_row(target, row, k), d, gradient);
    for (std::size_t c = 0; c < k; ++c) dlogits[row * k + c] = static_cast<float>(gradient[c]);
  }
}

}  // namespace conopa::kernels::reference

#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/reference/rowwise.h"

namespace conopa::kernels::reference {

namespace {

std::vector<double> widen(std::span<const float> x) { return {x.begin(), x.end()}; }

void narrow(std::span<const double> from, float* to) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(from[i]);
}

double sample_scale(const Residual& residual, std::int64_t row) {
  if (residual.sample_scale.empty()) return 1.0;
  return static_cast<double>(
      residual.sample_scale[static_cast<std::size_t>(row / residual.rows_per_sample)]);
}

}  // namespace

NormRow norm_row(NormKind kind, double eps, std::span<const double> x,
                 std::span<const double> weight, std::span<const double> bias,
                 std::span<double> y) {
  const auto count = static_cast<double>(x.size());
  NormRow r;
  if (kind == NormKind::kLayer) {
    for (const double v : x) r.mean += v / count;
  }
  double variance = 0.0;
  for (const double v : x) variance += (v - r.mean) * (v - r.mean) / count;
  r.inv_std = 1.0 / std::sqrt(variance + eps);
  for (std::size_t d = 0; d < x.size(); ++d) {
    y[d] = (x[d] - r.mean) * r.inv_std * (weight.empty() ? 1.0 : weight[d]) +
           (bias.empty() ? 0.0 : bias[d]);
  }
  return r;
}

void norm_row_backward(NormKind kind, NormRow saved, std::span<const double> x,
                       std::span<const double> weight, std::span<const double> dy,
                       std::span<double> dx, std::span<double> dweight, std::span<double> dbias) {
  const auto count = static_cast<double>(x.size());
  const auto normed = [&](std::size_t d) { return (x[d] - saved.mean) * saved.inv_std; };
  const auto slope = [&](std::size_t d) { return dy[d] * (weight.empty() ? 1.0 : weight[d]); };
  double mean_slope = 0.0;
  double mean_product = 0.0;
  for (std::size_t d = 0; d < x.size(); ++d) {
    mean_slope += slope(d) / count;
    mean_product += slope(d) * normed(d) / count;
  }
  if (kind == NormKind::kRms) mean_slope = 0.0;
  for (std::size_t d = 0; d < x.size(); ++d) {
    if (!dweight.empty()) dweight[d] += dy[d] * normed(d);
    if (!dbias.empty()) dbias[d] += dy[d];
    dx[d] = saved.inv_std * (slope(d) - mean_slope - normed(d) * mean_product);
  }
}

void norm_forward(const NormShape& shape, const NormForward& args) {
  const auto width = static_cast<std::size_t>(shape.width);
  const std::vector<double> weight = widen(args.weight);
  const std::vector<double> bias = widen(args.bias);
  std::vector<double> y(width);
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const auto r = static_cast<std::size_t>(row);
    std::vector<double> x = widen(args.x.subspan(r * width, width));
    if (!args.residual.branch.empty()) {
      for (std::size_t d = 0; d < width; ++d) {
        x[d] += sample_scale(args.residual, row) *
                static_cast<double>(args.residual.branch[r * width + d]);
        // What later layers and backward see is the float32 sum.
        x[d] = static_cast<double>(static_cast<float>(x[d]));
      }
    }
    if (!args.sum.empty()) narrow(x, &args.sum[r * width]);
    const NormRow saved = norm_row(shape.kind, static_cast<double>(shape.eps), x, weight, bias, y);
    narrow(y, &args.y[r * width]);
    if (!args.mean.empty()) args.mean[r] = static_cast<float>(saved.mean);
    if (!args.inv_std.empty()) args.inv_std[r] = static_cast<float>(saved.inv_std);
  }
}

void norm_backward(const NormShape& shape, const NormBackward& args) {
  const auto width = static_cast<std::size_t>(shape.width);
  const std::vector<double> weight = widen(args.weight);
  std::vector<double> dweight(args.dweight.size());
  std::vector<double> dbias(args.dbias.size());
  std::vector<double> dx(width);
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const auto r = static_cast<std::size_t>(row);
    const NormRow saved{
        .mean = shape.kind == NormKind::kLayer ? static_cast<double>(args.mean[r]) : 0.0,
        .inv_std = static_cast<double>(args.inv_std[r])};
    norm_row_backward(shape.kind, saved, widen(args.x.subspan(r * width, width)), weight,
                      widen(args.dy.subspan(r * width, width)), dx, dweight, dbias);
    if (!args.dsum.empty()) {
      for (std::size_t d = 0; d < width; ++d) {
        dx[d] += static_cast<double>(args.dsum[r * width + d]);
      }
    }
    narrow(dx, &args.dx[r * width]);
    if (args.dbranch.empty()) continue;
    for (double& v : dx) v *= sample_scale(args.residual, row);
    narrow(dx, &args.dbranch[r * width]);
  }
  if (!dweight.empty()) narrow(dweight, args.dweight.data());
  if (!dbias.empty()) narrow(dbias, args.dbias.data());
}

}  // namespace conopa::kernels::reference

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "kernels/reference/rowwise.h"

namespace conopa::kernels::reference {

double silu(double x) { return x / (1.0 + std::exp(-x)); }

double silu_slope(double x) {
  const double s = 1.0 / (1.0 + std::exp(-x));
  return s * (1.0 + x * (1.0 - s));
}

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }

double gelu_slope(double x) {
  const double density = std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
  return 0.5 * std::erfc(-x / std::numbers::sqrt2) + x * density;
}

void swiglu_forward(const SwigluShape& shape, ConstRows gate, ConstRows up, MutableRows out) {
  for (std::int64_t r = 0; r < shape.rows; ++r) {
    for (std::int64_t c = 0; c < shape.hidden; ++c) {
      out.row(r)[c] = static_cast<float>(silu(static_cast<double>(gate.row(r)[c])) *
                                         static_cast<double>(up.row(r)[c]));
    }
  }
}

void swiglu_backward(const SwigluShape& shape, ConstRows gate, ConstRows up, ConstRows dout,
                     MutableRows dgate, MutableRows dup) {
  for (std::int64_t r = 0; r < shape.rows; ++r) {
    for (std::int64_t c = 0; c < shape.hidden; ++c) {
      const auto g = static_cast<double>(gate.row(r)[c]);
      const auto u = static_cast<double>(up.row(r)[c]);
      const auto d = static_cast<double>(dout.row(r)[c]);
      dgate.row(r)[c] = static_cast<float>(d * u * silu_slope(g));
      dup.row(r)[c] = static_cast<float>(d * silu(g));
    }
  }
}

void gelu_forward(std::span<const float> x, std::span<float> y) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = static_cast<float>(gelu(static_cast<double>(x[i])));
  }
}

void gelu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    dx[i] = static_cast<float>(static_cast<double>(dy[i]) * gelu_slope(static_cast<double>(x[i])));
  }
}

void vector_exp(std::span<const float> x, std::span<float> y) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = static_cast<float>(std::exp(static_cast<double>(x[i])));
  }
}

void adamw_step(const AdamWOptions& o, std::span<float> param, std::span<float> exp_avg,
                std::span<float> exp_avg_sq, std::span<const float> grad) {
  const auto steps = static_cast<double>(o.step);
  const auto decay = static_cast<float>(1.0 - o.lr * o.weight_decay);
  const auto root_bc2 = static_cast<float>(std::sqrt(1.0 - std::pow(o.beta2, steps)));
  const auto step_size = static_cast<float>(o.lr / (1.0 - std::pow(o.beta1, steps)));
  const auto beta1 = static_cast<float>(o.beta1);
  const auto beta2 = static_cast<float>(o.beta2);
  const auto rest1 = static_cast<float>(1.0 - o.beta1);
  const auto rest2 = static_cast<float>(1.0 - o.beta2);
  for (std::size_t i = 0; i < param.size(); ++i) {
    const float g = grad[i] * o.grad_scale;
    param[i] *= decay;
    exp_avg[i] = exp_avg[i] * beta1 + g * rest1;
    exp_avg_sq[i] = exp_avg_sq[i] * beta2 + rest2 * g * g;
    const float denominator = std::sqrt(exp_avg_sq[i]) / root_bc2 + static_cast<float>(o.eps);
    param[i] -= step_size * exp_avg[i] / denominator;
  }
}

void ema_update(std::span<float> ema, std::span<const float> param, double decay) {
  for (std::size_t i = 0; i < ema.size(); ++i) {
    ema[i] = static_cast<float>(decay) * ema[i] + static_cast<float>(1.0 - decay) * param[i];
  }
}

void scale_in_place(std::span<float> x, float factor) {
  for (float& v : x) v *= factor;
}

double sum_of_squares(std::span<const float> x) {
  double sum = 0.0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

void column_sums(std::int64_t rows, std::int64_t width, ConstRows x, std::span<float> sums) {
  std::vector<double> total(static_cast<std::size_t>(width));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::size_t d = 0; d < total.size(); ++d) total[d] += static_cast<double>(x.row(r)[d]);
  }
  for (std::size_t d = 0; d < total.size(); ++d) sums[d] = static_cast<float>(total[d]);
}

}  // namespace conopa::kernels::reference

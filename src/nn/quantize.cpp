#include "nn/quantize.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/round.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "conopa/nn/ops.h"

namespace conopa::nn {
namespace {

struct Levels {
  double low, high;
};

Levels signed_levels(std::int64_t bits) {
  return {-std::exp2(bits - 1), std::exp2(bits - 1) - 1.0};
}
Levels unsigned_levels(std::int64_t bits) { return {0.0, std::exp2(bits) - 1.0}; }

// Forward value of `x`, gradient times `factor`.
at::Tensor scale_gradient(const at::Tensor& x, double factor) {
  const at::Tensor scaled = x * factor;
  return (x - scaled).detach() + scaled;
}

// Rounds; the gradient passes straight through.
at::Tensor round_through(const at::Tensor& x) { return (x.round() - x).detach() + x; }

double gradient_factor(const at::Tensor& x, const Levels& levels) {
  return 1.0 / std::sqrt(static_cast<double>(x.numel()) * levels.high);
}

struct ActivationQuantizer {
  at::Tensor alpha, zero_point, started, is_signed;

  ActivationQuantizer(const Parameters& parameters, const std::string& prefix)
      : alpha(parameters.require(prefix + ".alpha")),
        zero_point(parameters.require(prefix + ".zero_point")),
        started(parameters.require(prefix + ".init_state")),
        is_signed(parameters.require(prefix + ".signed")) {}

  [[nodiscard]] Levels levels(std::int64_t bits) const {
    return is_signed.item<float>() != 0.0F ? signed_levels(bits) : unsigned_levels(bits);
  }

  void start(const at::Tensor& x, std::int64_t bits) {
    if (started.item<float>() != 0.0F) return;
    const at::NoGradGuard no_grad;
    constexpr double kNegative = -1e-5;  // smaller dips below zero count as rounding
    const double low = x.min().item<double>();
    if (low < kNegative) is_signed.fill_(1.0);
    const Levels range = levels(bits);
    alpha.fill_(2.0 * x.abs().mean().item<double>() / std::sqrt(range.high));
    zero_point.copy_(zero_point * 0.9 + (alpha * (-range.low) + low) * 0.1);
    started.fill_(1.0);
  }

  // `shape` spreads the step sizes over x.
  [[nodiscard]] at::Tensor apply(const at::Tensor& x, const std::vector<std::int64_t>& shape,
                                 std::int64_t bits) const {
    const Levels range = levels(bits);
    const double factor = gradient_factor(x, range);
    const at::Tensor a = scale_gradient(alpha, factor).view(shape);
    const at::Tensor z = scale_gradient(round_through(zero_point), factor).view(shape);
    const at::Tensor level = round_through((x / a + z).clamp(range.low, range.high));
    return (level - z) * a;
  }
};

at::Tensor quantize_activation(const Parameters& parameters, const std::string& prefix,
                               const at::Tensor& x, const std::vector<std::int64_t>& shape,
                               std::int64_t bits, bool training) {
  ActivationQuantizer quantizer(parameters, prefix);
  if (training) quantizer.start(x, bits);
  return quantizer.apply(x, shape, bits);
}

at::Tensor quantize_weight(const Parameters& parameters, const std::string& prefix,
                           std::int64_t bits, bool training) {
  const at::Tensor& weight = parameters.require(prefix + ".weight");
  at::Tensor alpha = parameters.require(prefix + ".alpha");
  at::Tensor started = parameters.require(prefix + ".init_state");
  const Levels range = signed_levels(bits);
  if (training && started.item<float>() == 0.0F) {
    const at::NoGradGuard no_grad;
    alpha.fill_(2.0 * weight.abs().mean().item<double>() / std::sqrt(range.high));
    started.fill_(1.0);
  }
  const at::Tensor a = scale_gradient(alpha, gradient_factor(weight, range)).unsqueeze(1);
  return round_through((weight / a).clamp(range.low, range.high)) * a;
}

}  // namespace

at::Tensor quantized_linear(const Parameters& parameters, const std::string& prefix,
                            const at::Tensor& x, const arch::EncoderSpec& spec, bool training) {
  const at::Tensor input = quantize_activation(parameters, prefix + ".act", x, {1, x.size(-1)},
                                               spec.activation_bits, training);
  const at::Tensor weight = quantize_weight(parameters, prefix, spec.weight_bits, training);
  return linear(input, weight, parameters.get(prefix + ".bias"), Exec{});
}

at::Tensor quantize_heads(const Parameters& parameters, const std::string& prefix,
                          const at::Tensor& x, const arch::EncoderSpec& spec, bool training) {
  return quantize_activation(parameters, prefix, x, {1, x.size(1), 1, 1}, spec.activation_bits,
                             training);
}

}  // namespace conopa::nn

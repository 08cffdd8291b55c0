#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>

#include "conopa/kernels/norm.h"
#include "nn/ops/common.h"

namespace conopa::nn {
namespace {

kernels::NormShape norm_shape(const at::Tensor& x, bool layer, double eps) {
  return {.kind = layer ? kernels::NormKind::kLayer : kernels::NormKind::kRms,
          .rows = x.size(0),
          .width = x.size(1),
          .eps = static_cast<float>(eps)};
}

kernels::Residual residual(const at::Tensor& branch, const at::Tensor& scale, std::int64_t rows) {
  return {.branch = optional_floats(branch),
          .sample_scale = optional_floats(scale),
          .rows_per_sample = scale.defined() ? rows / scale.size(0) : 1};
}

// {h, y}: h = x + scale·branch, y = norm(h). The gradient of h passes through unchanged, so the
// residual stream costs no separate additions in either direction.
class AddNormFunction : public torch::autograd::Function<AddNormFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x,
                               const OptionalTensor& branch_in, const OptionalTensor& scale_in,
                               const at::Tensor& weight, const OptionalTensor& bias_in, bool layer,
                               double eps) {
    const at::Tensor branch = value_or_undefined(branch_in);
    const at::Tensor scale = value_or_undefined(scale_in);
    const at::Tensor bias = value_or_undefined(bias_in);
    const std::int64_t rows = x.size(0);
    at::Tensor sum = branch.defined() ? at::empty_like(x) : x;
    at::Tensor y = at::empty_like(x);
    at::Tensor mean = layer ? at::empty({rows}, x.options()) : at::Tensor();
    at::Tensor inv_std = at::empty({rows}, x.options());
    kernels::norm_forward(norm_shape(x, layer, eps),
                          {.x = floats(x),
                           .residual = residual(branch, scale, rows),
                           .weight = floats(weight),
                           .bias = optional_floats(bias),
                           .sum = branch.defined() ? floats(sum) : std::span<float>{},
                           .y = floats(y),
                           .mean = layer ? floats(mean) : std::span<float>{},
                           .inv_std = floats(inv_std)});
    ctx->save_for_backward({sum, weight, scale, mean, inv_std});
    ctx->saved_data["branch"] = branch.defined();
    ctx->saved_data["bias"] = bias.defined();
    ctx->saved_data["layer"] = layer;
    ctx->saved_data["eps"] = eps;
    if (!branch.defined()) return {y};
    return {sum, y};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor& sum = saved[0];
    const at::Tensor& scale = saved[2];
    const bool has_branch = ctx->saved_data["branch"].toBool();
    const bool has_bias = ctx->saved_data["bias"].toBool();
    const bool layer = ctx->saved_data["layer"].toBool();
    const at::Tensor dsum = has_branch && grads[0].defined() ? grads[0].contiguous() : at::Tensor();
    at::Tensor dy = grads.back();
    dy = dy.defined() ? dy.contiguous() : at::zeros_like(sum);
    variable_list result(7);
    at::Tensor dx = at::empty_like(sum);
    // Without drop path the branch's gradient is the stream's own.
    at::Tensor dbranch = scale.defined() ? at::empty_like(sum) : at::Tensor();
    result[3] = at::empty_like(saved[1]);
    if (has_bias) result[4] = at::empty_like(saved[1]);
    kernels::norm_backward(norm_shape(sum, layer, ctx->saved_data["eps"].toDouble()),
                           {.x = floats(sum),
                            .weight = floats(saved[1]),
                            .mean = optional_floats(saved[3]),
                            .inv_std = floats(saved[4]),
                            .dy = floats(dy),
                            .dsum = optional_floats(dsum),
                            .dx = floats(dx),
                            .residual = residual({}, scale, sum.size(0)),
                            .dbranch = scale.defined() ? floats(dbranch) : std::span<float>{},
                            .dweight = floats(result[3]),
                            .dbias = has_bias ? floats(result[4]) : std::span<float>{}});
    result[0] = dx;
    if (has_branch) result[1] = scale.defined() ? dbranch : dx;
    return result;
  }
};

at::Tensor stock_norm(const at::Tensor& x, const NormParameters& norm) {
  if (norm.kind == arch::Norm::kLayer) {
    const at::Tensor wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
    return at::layer_norm(wide, {x.size(-1)}, norm.weight, norm.bias, norm.eps);
  }
  const at::Tensor wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  return wide * at::rsqrt(at::mean(wide * wide, {-1}, true) + norm.eps) * norm.weight;
}

}  // namespace

at::Tensor add_branch(const at::Tensor& x, const Branch& branch) {
  if (!branch.value.defined()) return x;
  if (!branch.sample_scale.defined()) return x + branch.value;
  const std::int64_t samples = branch.sample_scale.size(0);
  const at::Tensor scaled = branch.value.view({samples, -1, x.size(1)}) *
                            branch.sample_scale.to(branch.value.dtype()).view({samples, 1, 1});
  return x + scaled.view_as(x);
}

std::pair<at::Tensor, at::Tensor> add_norm(const at::Tensor& x, const Branch& branch,
                                           const NormParameters& norm, const Exec& exec) {
  if (!use_fused(x, exec)) {
    at::Tensor sum = add_branch(x, branch);
    at::Tensor y = stock_norm(sum, norm);
    return {std::move(sum), std::move(y)};
  }
  const at::Tensor value = branch.value.defined() ? branch.value.contiguous() : at::Tensor();
  variable_list out = AddNormFunction::apply(
      x.contiguous(), optional(value), optional(branch.sample_scale), norm.weight,
      optional(norm.bias), norm.kind == arch::Norm::kLayer, norm.eps);
  if (out.size() == 1) return {x, out[0]};
  return {out[0], out[1]};
}

}  // namespace conopa::nn

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include "conopa/kernels/matmul.h"
#include "conopa/kernels/reduce.h"
#include "nn/ops/common.h"

namespace conopa::nn {
namespace {

kernels::Compute compute_of(bool bf16) {
  return bf16 ? kernels::Compute::kBf16 : kernels::Compute::kF32;
}

// Forward y = x Wᵀ + b; backward dx = dy W, dW = dyᵀ x, db = column sums of dy.
class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const OptionalTensor& bias, bool bf16) {
    const std::int64_t rows = x.size(0);
    const std::int64_t in = x.size(1);
    const std::int64_t out = weight.size(0);
    at::Tensor y = at::empty({rows, out}, x.options());
    kernels::matmul({.M = rows,
                     .N = out,
                     .K = in,
                     .a = x.data_ptr<float>(),
                     .lda = in,
                     .b = weight.data_ptr<float>(),
                     .ldb = in,
                     .layout_b = kernels::Layout::kTransposed,
                     .c = y.data_ptr<float>(),
                     .ldc = out,
                     .bias = bias.has_value() ? bias->data_ptr<float>() : nullptr,
                     .compute = compute_of(bf16)});
    ctx->save_for_backward({x, weight});
    ctx->saved_data["bf16"] = bf16;
    ctx->saved_data["bias"] = bias.has_value();
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[1];
    const at::Tensor dy = grads[0].contiguous();
    const kernels::Compute compute = compute_of(ctx->saved_data["bf16"].toBool());
    const std::int64_t rows = x.size(0);
    const std::int64_t in = x.size(1);
    const std::int64_t out = weight.size(0);
    variable_list result(4);
    if (ctx->needs_input_grad(0)) {
      result[0] = at::empty({rows, in}, x.options());
      kernels::matmul({.M = rows,
                       .N = in,
                       .K = out,
                       .a = dy.data_ptr<float>(),
                       .lda = out,
                       .b = weight.data_ptr<float>(),
                       .ldb = in,
                       .c = result[0].data_ptr<float>(),
                       .ldc = in,
                       .compute = compute});
    }
    if (ctx->needs_input_grad(1)) {
      result[1] = at::empty({out, in}, x.options());
      kernels::matmul({.M = out,
                       .N = in,
                       .K = rows,
                       .a = dy.data_ptr<float>(),
                       .lda = out,
                       .layout_a = kernels::Layout::kTransposed,
                       .b = x.data_ptr<float>(),
                       .ldb = in,
                       .c = result[1].data_ptr<float>(),
                       .ldc = in,
                       .compute = compute});
    }
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)) {
      result[2] = at::empty({out}, x.options());
      kernels::column_sums(rows, out, {floats(dy), out}, floats(result[2]));
    }
    return result;
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const Exec& exec) {
  CONOPA_ASSERT(x.dim() == 2);
  if (!use_fused(x, exec)) return at::linear(x, weight, bias);
  return LinearFunction::apply(x.contiguous(), weight.contiguous(), optional(bias),
                               exec.precision == Precision::kBf16);
}

}  // namespace conopa::nn

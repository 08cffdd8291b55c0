#include "conopa/kernels/activation.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>

#include "nn/ops/common.h"

namespace conopa::nn {
namespace {

class SwigluFunction : public torch::autograd::Function<SwigluFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    at::Tensor out = at::empty_like(gate);
    const std::int64_t hidden = gate.size(1);
    kernels::swiglu_forward({.rows = gate.size(0), .hidden = hidden}, {floats(gate), hidden},
                            {floats(up), hidden}, {floats(out), hidden});
    ctx->save_for_backward({gate, up});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor dout = grads[0].contiguous();
    at::Tensor dgate = at::empty_like(saved[0]);
    at::Tensor dup = at::empty_like(saved[1]);
    const std::int64_t hidden = saved[0].size(1);
    kernels::swiglu_backward({.rows = saved[0].size(0), .hidden = hidden},
                             {floats(saved[0]), hidden}, {floats(saved[1]), hidden},
                             {floats(dout), hidden}, {floats(dgate), hidden},
                             {floats(dup), hidden});
    return {dgate, dup};
  }
};

class GeluFunction : public torch::autograd::Function<GeluFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    at::Tensor y = at::empty_like(x);
    kernels::gelu_forward(floats(x), floats(y));
    ctx->save_for_backward({x});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor dx = at::empty_like(dy);
    kernels::gelu_backward(floats(saved[0]), floats(dy), floats(dx));
    return {dx};
  }
};

}  // namespace

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up, const Exec& exec) {
  if (!use_fused(gate, exec)) return at::silu(gate) * up;
  return SwigluFunction::apply(gate.contiguous(), up.contiguous());
}

at::Tensor gelu(const at::Tensor& x, const Exec& exec) {
  if (!use_fused(x, exec)) return at::gelu(x);
  return GeluFunction::apply(x.contiguous());
}

}  // namespace conopa::nn

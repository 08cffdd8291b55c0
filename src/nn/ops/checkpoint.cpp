#include <torch/csrc/autograd/autograd.h>

#include "nn/ops/common.h"

namespace conopa::nn {
namespace {

using Body = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

class CheckpointFunction : public torch::autograd::Function<CheckpointFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const Body* body,
                               const at::TensorList& inputs) {
    ctx->save_for_backward(inputs.vec());
    // The closure outlives the forward pass; a shared copy travels with the node.
    auto owned = c10::make_intrusive<BodyHolder>();
    owned->body = *body;
    ctx->saved_data["body"] = c10::IValue::make_capsule(owned);
    return (*body)(inputs.vec());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const auto holder = ctx->saved_data["body"].toCapsule();
    variable_list inputs;
    for (const at::Tensor& tensor : saved) {
      inputs.push_back(tensor.defined() ? tensor.detach().requires_grad_(tensor.requires_grad())
                                        : tensor);
    }
    {
      const at::AutoGradMode enable(true);
      const variable_list outputs = static_cast<BodyHolder*>(holder.get())->body(inputs);
      variable_list roots;
      variable_list seeds;
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (!outputs[i].requires_grad() || !grads[i].defined()) continue;
        roots.push_back(outputs[i]);
        seeds.push_back(grads[i]);
      }
      torch::autograd::backward(roots, seeds);
    }
    variable_list result(1);  // no gradient for the closure
    for (const at::Tensor& input : inputs) {
      result.push_back(input.defined() ? input.grad() : at::Tensor());
    }
    return result;
  }

 private:
  struct BodyHolder : torch::CustomClassHolder {
    Body body;
  };
};

}  // namespace

std::vector<at::Tensor> checkpoint(const Body& body, const std::vector<at::Tensor>& inputs) {
  return CheckpointFunction::apply(&body, at::TensorList(inputs));
}

}  // namespace conopa::nn

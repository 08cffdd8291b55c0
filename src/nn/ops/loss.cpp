#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>

#include "conopa/kernels/softmax_loss.h"
#include "nn/ops/common.h"

namespace conopa::nn {
namespace {

// Mean over the batch; `dense` [B, K] or `labels` [B], the other undefined.
class CrossEntropyFunction : public torch::autograd::Function<CrossEntropyFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& logits,
                            const OptionalTensor& dense_in, const OptionalTensor& labels_in,
                            double smoothing) {
    const at::Tensor dense = value_or_undefined(dense_in);
    const at::Tensor labels = value_or_undefined(labels_in);
    const std::int64_t B = logits.size(0);
    at::Tensor loss = at::empty({B}, logits.options());
    at::Tensor lse = at::empty({B}, logits.options());
    kernels::cross_entropy_forward(logits.size(1), floats(logits), target(dense, labels, smoothing),
                                   floats(loss), floats(lse));
    ctx->save_for_backward({logits, dense, labels, lse});
    ctx->saved_data["smoothing"] = smoothing;
    return loss.mean();
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const float dloss = grads[0].item<float>() / static_cast<float>(saved[0].size(0));
    at::Tensor dlogits = at::empty_like(saved[0]);
    kernels::cross_entropy_backward(
        saved[0].size(1), floats(saved[0]),
        target(saved[1], saved[2], ctx->saved_data["smoothing"].toDouble()), floats(saved[3]),
        {&dloss, 1}, floats(dlogits));
    return {dlogits, at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  static kernels::LossTarget target(const at::Tensor& dense, const at::Tensor& labels,
                                    double smoothing) {
    kernels::LossTarget out;
    out.dense = optional_floats(dense);
    if (labels.defined()) {
      out.labels = {labels.data_ptr<std::int64_t>(), static_cast<std::size_t>(labels.numel())};
    }
    out.smoothing = static_cast<float>(smoothing);
    return out;
  }
};

}  // namespace

at::Tensor soft_target_cross_entropy(const at::Tensor& logits, const at::Tensor& targets,
                                     const Exec& exec) {
  if (use_fused(logits, exec)) {
    return CrossEntropyFunction::apply(logits.contiguous(), optional(targets.contiguous()),
                                       OptionalTensor(), 0.0);
  }
  return -(targets * logits.log_softmax(-1)).sum(-1).mean();
}

at::Tensor label_cross_entropy(const at::Tensor& logits, const at::Tensor& labels, double smoothing,
                               const Exec& exec) {
  if (use_fused(logits, exec)) {
    return CrossEntropyFunction::apply(logits.contiguous(), OptionalTensor(),
                                       optional(labels.contiguous()), smoothing);
  }
  return at::cross_entropy_loss(logits, labels, {}, 1 /* mean */, -100, smoothing);
}

at::Tensor binary_cross_entropy(const at::Tensor& logits, const at::Tensor& targets,
                                const Exec& /*exec*/) {
  return at::binary_cross_entropy_with_logits(logits, targets, {}, {}, at::Reduction::Mean);
}

}  // namespace conopa::nn

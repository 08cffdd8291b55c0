#pragma once

#include "conopa/train/optimizer.h"

namespace conopa::train {

/// AdamW in the arithmetic of PyTorch's: p ← p·(1 − lr·wd), then p ← p − lr·m̂/(√v̂ + eps).
///
/// float32 tensors on the CPU go through the fused kernel, others through stock operations. State:
/// `exp_avg` and `exp_avg_sq`.
/// @source Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019.
class AdamW final : public Optimizer {
 public:
  AdamW(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops = nn::Ops::kAuto);

 private:
  void update(const at::Tensor& parameter, std::span<const at::Tensor> moments,
              const Update& numbers) const override;

  double beta1_;
  double beta2_;
  double eps_;
};

}  // namespace conopa::train

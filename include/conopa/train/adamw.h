#pragma once

#include "conopa/train/optimizer.h"

namespace conopa::train {

/// AdamW in the arithmetic of PyTorch's: p ← p·(1 − lr·wd), then p ← p − lr·m̂/(√v̂ + eps).
/// With options.decoupled_decay the first step is p ← p·(1 − wd·lr/lr_peak), lr with its layer's
/// factor and lr_peak without: the decay follows the schedule but not the size of the peak.
///
/// float32 tensors on the CPU go through the fused kernel, others through stock operations. State:
/// `exp_avg` and `exp_avg_sq`.
/// @source Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019; decoupled from
///         the peak: AIMv2 (arXiv 2411.14402), table A1.
class AdamW final : public Optimizer {
 public:
  AdamW(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops = nn::Ops::kAuto);

 private:
  void update(const at::Tensor& parameter, std::span<const at::Tensor> moments,
              const Update& numbers) const override;

  double beta1_;
  double beta2_;
  double eps_;
  double decay_unit_;  // the learning rate at which a step decays by weight_decay itself
};

}  // namespace conopa::train

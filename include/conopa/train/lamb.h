#pragma once

#include "conopa/train/optimizer.h"

namespace conopa::train {

/// LAMB: Adam's direction per tensor, scaled to the length of the weights.
///
/// m̂ and v̂ as in Adam with bias correction, u = m̂/(√v̂ + eps) + wd·p, p ← p − lr·r·u with the
/// trust ratio r = ‖p‖/‖u‖, or 1 if either norm is 0 or the tensor has no weight decay (all of them
/// if optim.weight_decay is 0). The clipping of the global gradient norm that belongs to the
/// published optimiser is `optim.clip_grad` = 1. State: `exp_avg` and `exp_avg_sq`.
///
/// Stock operations on any device; two temporaries of the tensor's size.
/// @source You et al., "Large batch optimization for deep learning" (arXiv 1904.00962), with the
///   trust-ratio rule and the defaults of NVIDIA apex's FusedLAMB.
class Lamb final : public Optimizer {
 public:
  Lamb(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops = nn::Ops::kAuto);

 private:
  void update(const at::Tensor& parameter, std::span<const at::Tensor> moments,
              const Update& numbers) const override;

  double beta1_;
  double beta2_;
  double eps_;
};

}  // namespace conopa::train

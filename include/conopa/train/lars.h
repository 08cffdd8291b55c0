#pragma once

#include "conopa/train/optimizer.h"

namespace conopa::train {

/// LARS: gradient descent with momentum and one local rate per tensor, biases included.
///
/// d = lr·r·(g + wd·p) with r = trust·‖p‖/(‖g‖ + wd·‖p‖ + eps), or 1 if either norm is 0;
/// b ← momentum·b + d; p ← p − b. The buffer b keeps gradients already scaled by their own step's
/// learning rate, so a later rate does not scale them again. State: `momentum_buffer`.
/// A bias that begins at 0 takes its first step at the plain learning rate and hundreds of steps to
/// come back from it: give the warm-up a small `lr_start` above 0.
///
/// Stock operations on any device; two temporaries of the tensor's size at most.
/// @source You, Gitman, Ginsburg, "Large batch training of convolutional networks"
///   (arXiv 1708.03888), in the form that VisionLLaMA's linear probe trains with.
class Lars final : public Optimizer {
 public:
  Lars(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops = nn::Ops::kAuto);

 private:
  void update(const at::Tensor& parameter, std::span<const at::Tensor> moments,
              const Update& numbers) const override;

  double momentum_;
  double trust_;
  double eps_;
};

}  // namespace conopa::train

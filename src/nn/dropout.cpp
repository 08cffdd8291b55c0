#include "nn/dropout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"

namespace conopa::nn {

at::Tensor dropout(const at::Tensor& x, double rate, const StepRandom& random, DropPlace place) {
  Rng rng(random.seed, RngPurpose::kDropout, random.step, static_cast<std::uint64_t>(place));
  at::Tensor keep = at::empty(x.sizes(), at::TensorOptions().dtype(at::kFloat));
  const auto factor = static_cast<float>(1.0 / (1.0 - rate));
  for (float& value : floats(keep)) value = rng.bernoulli(rate) ? 0.0F : factor;
  return x * keep.to(x.device());
}

}  // namespace conopa::nn

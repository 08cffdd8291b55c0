#include "conopa/nn/probe_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm.h>
#include <c10/core/GradMode.h>

#include "conopa/core/error.h"

namespace conopa::nn {

ProbeStatistics probe_statistics(const Parameters& parameters) {
  const std::string prefix(arch::names::kHeadNorm);
  return {.mean = parameters.require(prefix + ".running_mean"),
          .variance = parameters.require(prefix + ".running_var"),
          .batches = parameters.require(prefix + ".num_batches_tracked")};
}

at::Tensor probe_norm(const at::Tensor& features, const ProbeStatistics& statistics,
                      bool training) {
  if (training && features.size(0) < 2) {
    throw ShapeError("probe", "a batch norm needs at least 2 samples a batch, got {}",
                     features.size(0));
  }
  if (training && statistics.batches.defined()) {
    const at::NoGradGuard no_grad;
    statistics.batches.add_(1);
  }
  return at::batch_norm(features.to(at::kFloat), {}, {}, statistics.mean, statistics.variance,
                        training, statistics.momentum, statistics.eps, false);
}

}  // namespace conopa::nn

#include "nn/neck.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/max_pool2d.h>

namespace conopa::nn {
namespace {

at::Tensor deconv(const at::Tensor& x, const Parameters& parameters, std::int64_t level,
                  std::int64_t index) {
  const std::string prefix = arch::names::neck(level, index);
  return at::conv_transpose2d(x, parameters.require(prefix + ".weight"),
                              parameters.require(prefix + ".bias"), {2, 2});
}

}  // namespace

std::vector<at::Tensor> deconv_pyramid(const std::vector<at::Tensor>& maps,
                                       const Parameters& parameters) {
  const std::string norm = arch::names::neck(1, 1);
  at::Tensor quadruple = deconv(maps[0], parameters, 1, 0);
  quadruple =
      at::batch_norm(quadruple, parameters.require(norm + ".weight"),
                     parameters.require(norm + ".bias"), parameters.require(norm + ".running_mean"),
                     parameters.require(norm + ".running_var"), false, 0.1, 1e-5, false);
  quadruple = deconv(at::gelu(quadruple), parameters, 1, 3);
  return {quadruple, deconv(maps[1], parameters, 2, 0), maps[2],
          at::max_pool2d(maps[3], {2, 2}, {2, 2})};
}

}  // namespace conopa::nn

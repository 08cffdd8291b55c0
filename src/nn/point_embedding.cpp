#include "nn/point_embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include "conopa/nn/convert.h"
#include "conopa/points/grouping.h"

namespace conopa::nn {
namespace {

namespace names = arch::names;

struct TorchGroups {
  at::Tensor centres;     ///< [B·G, 3]
  at::Tensor neighbours;  ///< [B·G·K, 3], minus their centre
};

TorchGroups group(const at::Tensor& clouds, const arch::EncoderSpec& spec) {
  const at::Tensor host = clouds.detach().cpu().contiguous();
  const points::Groups groups = points::group_points(
      floats(host), clouds.size(0),
      {.groups = spec.width,
       .size = spec.point.group,
       .rule = spec.point.rule == arch::CentreRule::kReleased ? points::FpsRule::kReleased
                                                              : points::FpsRule::kPlain});
  const auto rows = [&](const std::vector<float>& values) {
    const Shape shape{static_cast<std::int64_t>(values.size()) / 3, 3};
    return to_torch(HostTensor::of<float>(DType::kF32, shape, values)).to(clouds.device());
  };
  return {rows(groups.centres), rows(groups.neighbourhoods)};
}

// The PointNet over rows of points.
class PointNet {
 public:
  PointNet(const Parameters& parameters, const Pass& pass) : parameters_(parameters), pass_(pass) {}

  // [groups·K, 3] to [groups, E].
  [[nodiscard]] at::Tensor run(const at::Tensor& points, std::int64_t group) const {
    at::Tensor local = layer("conv2", norm("norm1", layer("conv1", points)).relu());
    const at::Tensor global = largest(local, group);
    const at::Tensor joined = join(local, global, group);
    return largest(layer("conv4", norm("norm2", joined).relu()), group);
  }

 private:
  [[nodiscard]] static at::Tensor largest(const at::Tensor& rows, std::int64_t group) {
    return std::get<0>(rows.view({-1, group, rows.size(1)}).max(1));
  }

  [[nodiscard]] at::Tensor weight(std::string_view name) const {
    return parameters_.require(names::point_layer(name) + ".weight").squeeze(2);
  }

  [[nodiscard]] at::Tensor layer(std::string_view name, const at::Tensor& x) const {
    return linear(x, weight(name), parameters_.require(names::point_layer(name) + ".bias"),
                  pass_.options.exec);
  }

  // conv3 of [global, local]: the part of the global half is the same for all points of a group.
  [[nodiscard]] at::Tensor join(const at::Tensor& local, const at::Tensor& global,
                                std::int64_t group) const {
    constexpr std::int64_t kLocal = arch::PointInput::kLocal;
    const at::Tensor w = weight("conv3");
    const Exec& exec = pass_.options.exec;
    const at::Tensor shared =
        linear(global, w.narrow(1, 0, kLocal).contiguous(),
               parameters_.require(names::point_layer("conv3") + ".bias"), exec);
    const at::Tensor own =
        linear(local, w.narrow(1, kLocal, w.size(1) - kLocal).contiguous(), {}, exec);
    return (own.view({-1, group, own.size(1)}) + shared.unsqueeze(1)).flatten(0, 1);
  }

  [[nodiscard]] at::Tensor norm(std::string_view name, const at::Tensor& x) const {
    constexpr double kMomentum = 0.1;
    constexpr double kEps = 1e-5;
    const std::string prefix = names::point_layer(name);
    const bool training = pass_.options.training;
    if (training) {
      const at::NoGradGuard no_grad;
      parameters_.require(prefix + ".num_batches_tracked").add_(1);
    }
    return at::batch_norm(
        x.to(at::kFloat), parameters_.require(prefix + ".weight"),
        parameters_.require(prefix + ".bias"), parameters_.require(prefix + ".running_mean"),
        parameters_.require(prefix + ".running_var"), training, kMomentum, kEps, false);
  }

  const Parameters& parameters_;
  const Pass& pass_;
};

at::Tensor positions(const at::Tensor& centres, const Parameters& parameters, const Pass& pass) {
  const auto layer = [&](std::string_view name, const at::Tensor& x) {
    const std::string prefix(name);
    return linear(x, parameters.require(prefix + ".weight"), parameters.require(prefix + ".bias"),
                  pass.options.exec);
  };
  const at::Tensor own =
      layer(names::kCentreOut, gelu(layer(names::kCentreHidden, centres), pass.options.exec));
  const std::int64_t D = own.size(1);
  if (!pass.spec.has_class_token()) return own;
  const at::Tensor token = parameters.require(names::kClassPosition).expand({pass.batch, 1, D});
  return at::cat({token, own.view({pass.batch, -1, D})}, 1).reshape({-1, D});
}

}  // namespace

at::Tensor embed_points(const at::Tensor& clouds, const Parameters& parameters, Pass& pass) {
  const TorchGroups groups = group(clouds, pass.spec);
  pass.keep("centres", groups.centres);
  const at::Tensor tokens =
      PointNet(parameters, pass).run(groups.neighbours, pass.spec.point.group);
  pass.keep("group_tokens", tokens);
  if (pass.spec.position == arch::Position::kCentres) {
    pass.positions = positions(groups.centres, parameters, pass);
    pass.keep("positions", pass.positions);
  }
  const std::string reduce = names::point_layer("reduce");
  return linear(tokens, parameters.require(reduce + ".weight"),
                parameters.require(reduce + ".bias"), pass.options.exec);
}

}  // namespace conopa::nn

#include "conopa/kernels/norm.h"

#include "conopa/kernels/train_ops.h"
#include "kernels/check.h"

namespace conopa::kernels {

namespace {

constexpr std::string_view kWhere = "norm";

void check_shape(const NormShape& shape, const Residual& residual) {
  require_dimension(kWhere, "rows", shape.rows, 0);
  require_dimension(kWhere, "width", shape.width, 1);
  if (residual.sample_scale.empty()) return;
  if (residual.rows_per_sample < 1 || shape.rows % residual.rows_per_sample != 0) {
    throw ShapeError(kWhere, "{} rows must be a multiple of rows_per_sample, got {}", shape.rows,
                     residual.rows_per_sample);
  }
  require_size(kWhere, "sample_scale", residual.sample_scale.size(),
               shape.rows / residual.rows_per_sample);
}

}  // namespace

void norm_forward(const NormShape& shape, const NormForward& args) {
  check_shape(shape, args.residual);
  const std::int64_t size = shape.rows * shape.width;
  require_size(kWhere, "x", args.x.size(), size);
  require_size(kWhere, "y", args.y.size(), size);
  require_size_or_empty(kWhere, "residual branch", args.residual.branch.size(), size);
  require_size_or_empty(kWhere, "weight", args.weight.size(), shape.width);
  require_size_or_empty(kWhere, "bias", args.bias.size(), shape.width);
  require_size_or_empty(kWhere, "mean", args.mean.size(), shape.rows);
  require_size_or_empty(kWhere, "inv_std", args.inv_std.size(), shape.rows);
  if (args.residual.branch.empty()) {
    require_size_or_empty(kWhere, "sum", args.sum.size(), size);
  } else {
    require_size(kWhere, "sum", args.sum.size(), size);
  }
  if (shape.rows > 0) train_ops().norm_forward(shape, args);
}

void norm_backward(const NormShape& shape, const NormBackward& args) {
  check_shape(shape, args.residual);
  const std::int64_t size = shape.rows * shape.width;
  require_size(kWhere, "x", args.x.size(), size);
  require_size(kWhere, "dy", args.dy.size(), size);
  require_size(kWhere, "dx", args.dx.size(), size);
  require_size(kWhere, "inv_std", args.inv_std.size(), shape.rows);
  if (shape.kind == NormKind::kLayer) require_size(kWhere, "mean", args.mean.size(), shape.rows);
  require_size_or_empty(kWhere, "dsum", args.dsum.size(), size);
  require_size_or_empty(kWhere, "dbranch", args.dbranch.size(), size);
  require_size_or_empty(kWhere, "weight", args.weight.size(), shape.width);
  require_size_or_empty(kWhere, "dweight", args.dweight.size(), shape.width);
  require_size_or_empty(kWhere, "dbias", args.dbias.size(), shape.width);
  train_ops().norm_backward(shape, args);
}

}  // namespace conopa::kernels

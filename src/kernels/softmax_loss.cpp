#include "conopa/kernels/softmax_loss.h"

#include "conopa/kernels/train_ops.h"
#include "kernels/check.h"

namespace conopa::kernels {

namespace {

constexpr std::string_view kWhere = "cross_entropy";

void check(std::int64_t classes, std::span<const float> logits, const LossTarget& target,
           std::size_t rows) {
  require_dimension(kWhere, "classes", classes, 1);
  require_size(kWhere, "logits", logits.size(), static_cast<std::int64_t>(rows) * classes);
  if (!target.dense.empty()) {
    require_size(kWhere, "dense targets", target.dense.size(),
                 static_cast<std::int64_t>(logits.size()));
    return;
  }
  require_size(kWhere, "labels", target.labels.size(), static_cast<std::int64_t>(rows));
  for (const std::int64_t label : target.labels) {
    if (label < 0 || label >= classes) {
      throw ShapeError(kWhere, "labels must lie in [0, {}), got {}; check the class list", classes,
                       label);
    }
  }
}

}  // namespace

void cross_entropy_forward(std::int64_t classes, std::span<const float> logits,
                           const LossTarget& target, std::span<float> loss, std::span<float> lse) {
  check(classes, logits, target, loss.size());
  require_size_or_empty(kWhere, "lse", lse.size(), static_cast<std::int64_t>(loss.size()));
  train_ops().cross_entropy_forward(classes, logits, target, loss, lse);
}

void cross_entropy_backward(std::int64_t classes, std::span<const float> logits,
                            const LossTarget& target, std::span<const float> lse,
                            std::span<const float> dloss, std::span<float> dlogits) {
  check(classes, logits, target, lse.size());
  if (dloss.size() != 1) {
    require_size(kWhere, "dloss", dloss.size(), static_cast<std::int64_t>(lse.size()));
  }
  require_size(kWhere, "dlogits", dlogits.size(), static_cast<std::int64_t>(logits.size()));
  train_ops().cross_entropy_backward(classes, logits, target, lse, dloss, dlogits);
}

}  // namespace conopa::kernels

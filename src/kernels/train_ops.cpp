#include "conopa/kernels/train_ops.h"

#include <array>

#include "kernels/reference/attention.h"
#include "kernels/reference/rowwise.h"
#ifdef CONOPA_X86_KERNELS
#include "kernels/train_ops_isa.h"
#endif

namespace conopa::kernels {

namespace {

constexpr TrainOps kReferenceOps{.isa = Isa::kReference,
                                 .attention_forward = reference::attention_forward,
                                 .attention_backward = reference::attention_backward,
                                 .rope = reference::rope,
                                 .norm_forward = reference::norm_forward,
                                 .norm_backward = reference::norm_backward,
                                 .swiglu_forward = reference::swiglu_forward,
                                 .swiglu_backward = reference::swiglu_backward,
                                 .gelu_forward = reference::gelu_forward,
                                 .gelu_backward = reference::gelu_backward,
                                 .vector_exp = reference::vector_exp,
                                 .cross_entropy_forward = reference::cross_entropy_forward,
                                 .cross_entropy_backward = reference::cross_entropy_backward,
                                 .adamw_step = reference::adamw_step,
                                 .ema_update = reference::ema_update,
                                 .scale_in_place = reference::scale_in_place,
                                 .sum_of_squares = reference::sum_of_squares,
                                 .column_sums = reference::column_sums};

}  // namespace

std::span<const TrainOps> train_ops_table() noexcept {
#ifdef CONOPA_X86_KERNELS
  static const std::array<TrainOps, 3> table{avx512::kTrainOps, avx2::kTrainOps, kReferenceOps};
#else
  static const std::array<TrainOps, 1> table{kReferenceOps};
#endif
  return table;
}

const TrainOps& train_ops() {
  const Isa best = active_isa();
  for (const TrainOps& ops : train_ops_table()) {
    if (ops.isa <= best) return ops;
  }
  return train_ops_table().back();  // the reference needs nothing
}

}  // namespace conopa::kernels

#pragma once

#include "conopa/kernels/train_ops.h"
#include "kernels/simd/attention.h"
#include "kernels/simd/column_sums.h"
#include "kernels/simd/elementwise.h"
#include "kernels/simd/norm.h"
#include "kernels/simd/rope.h"
#include "kernels/simd/softmax_loss.h"

namespace conopa::kernels::simd {

/// The table row of every operation compiled for the vector type V.
template <typename V>
consteval TrainOps train_ops(Isa isa) noexcept {
  return {.isa = isa,
          .attention_forward = attention_forward<V>,
          .attention_backward = attention_backward<V>,
          .rope = rope<V>,
          .norm_forward = norm_forward<V>,
          .norm_backward = norm_backward<V>,
          .swiglu_forward = swiglu_forward<V>,
          .swiglu_backward = swiglu_backward<V>,
          .gelu_forward = gelu_forward<V>,
          .gelu_backward = gelu_backward<V>,
          .vector_exp = vector_exp<V>,
          .cross_entropy_forward = cross_entropy_forward<V>,
          .cross_entropy_backward = cross_entropy_backward<V>,
          .adamw_step = adamw_step<V>,
          .ema_update = ema_update<V>,
          .scale_in_place = scale_in_place<V>,
          .sum_of_squares = sum_of_squares<V>,
          .column_sums = column_sums<V>};
}

}  // namespace conopa::kernels::simd

#pragma once

#include <cstdint>
#include <span>

#include "conopa/kernels/activation.h"
#include "conopa/kernels/adamw.h"
#include "conopa/kernels/attention.h"
#include "conopa/kernels/isa.h"
#include "conopa/kernels/norm.h"
#include "conopa/kernels/reduce.h"
#include "conopa/kernels/rope.h"
#include "conopa/kernels/softmax_loss.h"

namespace conopa::kernels {

/// One set of training operations for one instruction set. The functions trust their arguments:
/// the public functions of the same names check first, then call through the active row.
struct TrainOps {
  Isa isa;
  void (*attention_forward)(const AttentionInput&, const AttentionOutput&);
  void (*attention_backward)(const AttentionInput&, std::span<const float> dout,
                             std::span<const float> lse, const AttentionGrads&);
  void (*rope)(const RopeShape&, const RopeTable&, RopeDirection, ConstRows x, MutableRows y);
  void (*norm_forward)(const NormShape&, const NormForward&);
  void (*norm_backward)(const NormShape&, const NormBackward&);
  void (*swiglu_forward)(const SwigluShape&, ConstRows gate, ConstRows up, MutableRows out);
  void (*swiglu_backward)(const SwigluShape&, ConstRows gate, ConstRows up, ConstRows dout,
                          MutableRows dgate, MutableRows dup);
  void (*gelu_forward)(std::span<const float> x, std::span<float> y);
  void (*gelu_backward)(std::span<const float> x, std::span<const float> dy, std::span<float> dx);
  void (*vector_exp)(std::span<const float> x, std::span<float> y);
  void (*cross_entropy_forward)(std::int64_t classes, std::span<const float> logits,
                                const LossTarget&, std::span<float> loss, std::span<float> lse);
  void (*cross_entropy_backward)(std::int64_t classes, std::span<const float> logits,
                                 const LossTarget&, std::span<const float> lse,
                                 std::span<const float> dloss, std::span<float> dlogits);
  void (*adamw_step)(const AdamWOptions&, std::span<float> param, std::span<float> exp_avg,
                     std::span<float> exp_avg_sq, std::span<const float> grad);
  void (*ema_update)(std::span<float> ema, std::span<const float> param, double decay);
  void (*scale_in_place)(std::span<float> x, float factor);
  double (*sum_of_squares)(std::span<const float> x);
  void (*column_sums)(std::int64_t rows, std::int64_t width, ConstRows x, std::span<float> sums);
};

/// Every row compiled in, best first, ending with the reference.
[[nodiscard]] std::span<const TrainOps> train_ops_table() noexcept;

/// The best row that active_isa() allows.
/// @throws UnsupportedError as active_isa.
[[nodiscard]] const TrainOps& train_ops();

}  // namespace conopa::kernels

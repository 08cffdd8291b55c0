#pragma once

#include <cstdint>
#include <span>

#include "conopa/kernels/activation.h"
#include "conopa/kernels/adamw.h"
#include "conopa/kernels/norm.h"
#include "conopa/kernels/reduce.h"
#include "conopa/kernels/softmax_loss.h"

/// Reference versions of everything that works row by row or element by element. The double
/// helpers are what the finite-difference tests check.
namespace conopa::kernels::reference {

struct NormRow {
  double mean = 0.0;
  double inv_std = 0.0;
};

/// Normalises one row in double; empty weight and bias mean 1 and 0.
NormRow norm_row(NormKind kind, double eps, std::span<const double> x,
                 std::span<const double> weight, std::span<const double> bias, std::span<double> y);
/// Gradient of one row; adds to dweight and dbias where they are not empty.
void norm_row_backward(NormKind kind, NormRow saved, std::span<const double> x,
                       std::span<const double> weight, std::span<const double> dy,
                       std::span<double> dx, std::span<double> dweight, std::span<double> dbias);

[[nodiscard]] double silu(double x);
[[nodiscard]] double silu_slope(double x);
[[nodiscard]] double gelu(double x);
[[nodiscard]] double gelu_slope(double x);

/// Loss of one row and its log-sum-exp.
struct LossRow {
  double loss = 0.0;
  double lse = 0.0;
};
[[nodiscard]] LossRow cross_entropy_row(std::span<const double> logits,
                                        std::span<const double> target);
void cross_entropy_row_backward(std::span<const double> logits, std::span<const double> target,
                                double dloss, std::span<double> dlogits);

void norm_forward(const NormShape& shape, const NormForward& args);
void norm_backward(const NormShape& shape, const NormBackward& args);
void swiglu_forward(const SwigluShape& shape, ConstRows gate, ConstRows up, MutableRows out);
void swiglu_backward(const SwigluShape& shape, ConstRows gate, ConstRows up, ConstRows dout,
                     MutableRows dgate, MutableRows dup);
void gelu_forward(std::span<const float> x, std::span<float> y);
void gelu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx);
void vector_exp(std::span<const float> x, std::span<float> y);
void cross_entropy_forward(std::int64_t classes, std::span<const float> logits,
                           const LossTarget& target, std::span<float> loss, std::span<float> lse);
void cross_entropy_backward(std::int64_t classes, std::span<const float> logits,
                            const LossTarget& target, std::span<const float> lse,
                            std::span<const float> dloss, std::span<float> dlogits);
void adamw_step(const AdamWOptions& options, std::span<float> param, std::span<float> exp_avg,
                std::span<float> exp_avg_sq, std::span<const float> grad);
void ema_update(std::span<float> ema, std::span<const float> param, double decay);
void scale_in_place(std::span<float> x, float factor);
double sum_of_squares(std::span<const float> x);
void column_sums(std::int64_t rows, std::int64_t width, ConstRows x, std::span<float> sums);

}  // namespace conopa::kernels::reference

#pragma once

#include <cstdint>
#include <span>

namespace conopa::kernels {

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;
  std::int64_t step = 1;    ///< counts from 1; gives the bias corrections
  float grad_scale = 1.0F;  ///< multiplies the gradient first (clipping without another pass)
};

/// One AdamW step over flat float32 buffers, in the order of operations of PyTorch's AdamW:
/// p *= 1 - lr*wd; m, v; p -= lr/bc1 * m / (sqrt(v)/sqrt(bc2) + eps).
///
/// @throws ShapeError if the sizes differ.
/// @complexity O(n), no allocation; the result does not depend on the thread count.
void adamw_step(const AdamWOptions& options, std::span<float> param, std::span<float> exp_avg,
                std::span<float> exp_avg_sq, std::span<const float> grad);

/// ema = decay * ema + (1 - decay) * param.
void ema_update(std::span<float> ema, std::span<const float> param, double decay);

/// x *= factor.
void scale_in_place(std::span<float> x, float factor);

/// Sum of squares in double precision, for the global gradient norm; the summation order is fixed
/// by the size alone. Inf and NaN propagate.
[[nodiscard]] double sum_of_squares(std::span<const float> x);

}  // namespace conopa::kernels

#include "conopa/kernels/adamw.h"

#include "conopa/kernels/reduce.h"
#include "conopa/kernels/train_ops.h"
#include "kernels/check.h"

namespace conopa::kernels {

void adamw_step(const AdamWOptions& options, std::span<float> param, std::span<float> exp_avg,
                std::span<float> exp_avg_sq, std::span<const float> grad) {
  const auto count = static_cast<std::int64_t>(param.size());
  require_dimension("adamw", "step", options.step, 1);
  require_size("adamw", "exp_avg", exp_avg.size(), count);
  require_size("adamw", "exp_avg_sq", exp_avg_sq.size(), count);
  require_size("adamw", "grad", grad.size(), count);
  train_ops().adamw_step(options, param, exp_avg, exp_avg_sq, grad);
}

void ema_update(std::span<float> ema, std::span<const float> param, double decay) {
  require_size("ema", "param", param.size(), static_cast<std::int64_t>(ema.size()));
  train_ops().ema_update(ema, param, decay);
}

void scale_in_place(std::span<float> x, float factor) { train_ops().scale_in_place(x, factor); }

double sum_of_squares(std::span<const float> x) { return train_ops().sum_of_squares(x); }

void column_sums(std::int64_t rows, std::int64_t width, ConstRows x, std::span<float> sums) {
  require_rows("column_sums", "x", x, rows, width);
  require_size("column_sums", "sums", sums.size(), width);
  train_ops().column_sums(rows, width, x, sums);
}

}  // namespace conopa::kernels

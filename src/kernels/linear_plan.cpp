#include <algorithm>

#include "kernels/linear_driver.h"

namespace conopa::kernels::detail {
namespace {

constexpr std::int64_t kWorkPerThread = 1 << 19;  // multiply-adds that repay a thread hand-off
// Activations of a row block, leaving half of a 1 MiB second-level cache to weights and sums.
constexpr std::int64_t kBlockBytes = 448 * 1024;
// Most rows of a block: the sums of as many rows, 128 bytes each, have to stay near. A multiple of
// every row group.
constexpr std::int64_t kMostRows = 224;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Estimated time of a part in multiply-adds of words: its sums, plus its weights, which come from
/// the third level or memory, plus its activations.
double part_cost(const LinearKernel& kernel, double rows, double panels, double words) {
  const double columns = panels * static_cast<double>(kernel.panel);
  const double tiles = std::max(rows, 4.0);  // fewer rows wait for their sums
  return words * (tiles * columns + 10.0 * columns + 4.0 * rows);
}

}  // namespace

LinearPlan plan_linear(const LinearKernel& kernel, const PackedPanels& weight, std::int64_t rows,
                       std::int64_t threads) {
  LinearPlan plan;
  const std::int64_t blocks = ceil_div(weight.k_words, kernel.block_words);
  const std::int64_t multiple = elements_per_word(kernel.word) == 1 ? 32 : 16;  // whole blocks
  plan.block_words = ceil_div(ceil_div(weight.k_words, blocks), multiple) * multiple;

  const double work = static_cast<double>(rows) * static_cast<double>(weight.panels) *
                      static_cast<double>(kernel.panel) * static_cast<double>(weight.k_words) /
                      static_cast<double>(kWorkPerThread);
  const std::int64_t most = std::min(threads, static_cast<std::int64_t>(std::min(work, 1e6)) + 1);
  double best = 0.0;
  for (std::int64_t row_parts = 1; row_parts <= std::min(most, rows); ++row_parts) {
    const std::int64_t panel_parts = std::min(most / row_parts, weight.panels);
    const double cost = part_cost(kernel, static_cast<double>(ceil_div(rows, row_parts)),
                                  static_cast<double>(ceil_div(weight.panels, panel_parts)),
                                  static_cast<double>(weight.k_words));
    if (row_parts == 1 || cost < best) {
      best = cost;
      plan.row_parts = row_parts;
      plan.panel_parts = panel_parts;
    }
  }

  const std::int64_t part_rows = std::max<std::int64_t>(1, ceil_div(rows, plan.row_parts));
  const std::int64_t fit = kBlockBytes / (4 * weight.k_words);
  const std::int64_t limit = std::clamp(fit, kernel.least_rows, kMostRows);
  const std::int64_t even = ceil_div(part_rows, ceil_div(part_rows, limit));
  plan.block_rows = std::min(limit, ceil_div(even, kernel.row_group) * kernel.row_group);
  return plan;
}

}  // namespace conopa::kernels::detail

#include <algorithm>

#include "conopa/core/parallel.h"
#include "kernels/matmul_driver.h"

namespace conopa::kernels::detail {
namespace {

constexpr std::int64_t kWorkPerThread = 1 << 19;  // multiply-adds that repay a thread hand-off
constexpr std::int64_t kDepthPerPart = 512;       // sums so long that joining them costs little

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// A sum much longer than the output is wide: the gradient of a weight.
bool is_deep(const MatmulArgs& args) {
  return args.packed_b == nullptr && args.K >= 2 * kDepthPerPart &&
         args.K >= 2 * std::max(args.M, args.N);
}

// The most parts of k that divide the threads evenly and leave each part long enough.
std::int64_t depth_parts(std::int64_t k, std::int64_t threads) {
  for (std::int64_t parts = std::min(threads, k / kDepthPerPart); parts > 1; --parts) {
    if (threads % parts == 0) return parts;
  }
  return 1;
}

}  // namespace

KBlocks::KBlocks(const MatmulKernel& kernel, std::int64_t k)
    : words(ceil_div(k, kernel.k_per_word)) {
  const std::int64_t blocks = std::max<std::int64_t>(1, ceil_div(words, kernel.block_words));
  block = std::max<std::int64_t>(1, ceil_div(words, blocks));
}

MatmulPlan plan_matmul(const MatmulKernel& kernel, const MatmulArgs& args) {
  MatmulPlan plan;
  const double work = static_cast<double>(args.M) * static_cast<double>(args.N) *
                      static_cast<double>(args.K) / kWorkPerThread;
  plan.threads = work >= num_threads() ? num_threads() : static_cast<std::int64_t>(work) + 1;

  const std::int64_t tiles = ceil_div(args.M, kernel.tile_rows);
  const std::int64_t panels = ceil_div(args.N, kernel.panel);
  if (is_deep(args)) {
    plan.split = MatmulPlan::Split::kDepth;
    plan.depth_parts = depth_parts(args.K, plan.threads);
    plan.row_parts = std::min(tiles, plan.threads / plan.depth_parts);
  } else if (tiles < 4 * plan.threads && panels > tiles) {
    plan.split = MatmulPlan::Split::kPanels;
  }
  return plan;
}

}  // namespace conopa::kernels::detail

// The AMX rows of linear with emulated tiles: their packing, blocks and tails on machines that lack
// AMX. The epilogues behind them need AVX-512 BF16.

#include <gtest/gtest.h>

#include "conopa/core/parallel.h"
#include "kernels/linear_amx_panel.h"
#include "kernels/linear_driver.h"
#include "tests/kernels/amx_emulation.h"
#include "tests/kernels/linear_support.h"
#include "tests/kernels/train_ops_support.h"

#ifdef CONOPA_X86_KERNELS

namespace conopa::kernels {
namespace {

using testing_support::EmulatedBf16Tiles;
using testing_support::EmulatedInt8Tiles;
using testing_support::expect_output;
using testing_support::LinearCase;
using testing_support::LinearProblem;
using testing_support::name_of;

class LinearAmxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (detected_isa() < Isa::kAvx512Bf16) GTEST_SKIP() << "the epilogues need AVX-512 BF16";
  }
};

/// The table's row of AMX with its tiles replaced.
struct EmulatedKernel {
  explicit EmulatedKernel(ActType compute)
      : functions(*detail::select_linear_kernel(compute, Isa::kAmx).fn),
        kernel(detail::select_linear_kernel(compute, Isa::kAmx)) {
    functions.panel = compute == ActType::kI8 ? detail::tile_panel<EmulatedInt8Tiles>
                                              : detail::tile_panel<EmulatedBf16Tiles>;
    functions.begin = functions.end = nullptr;
    kernel.fn = &functions;
  }
  EmulatedKernel(const EmulatedKernel&) = delete;
  EmulatedKernel& operator=(const EmulatedKernel&) = delete;

  detail::LinearFunctions functions;
  detail::LinearKernel kernel;
};

std::vector<std::byte> run_emulated(const LinearProblem& problem, const PackedWeight& weight) {
  const EmulatedKernel emulated(problem.spec().compute);
  const detail::PackedPanels panels = pack_panels(emulated.kernel, problem.pack_arguments());
  return problem.run(
      weight, [&](const LinearArgs& args) { detail::run_linear(emulated.kernel, panels, args); });
}

void check(const LinearCase& c) {
  const LinearProblem problem(c);
  const PackedWeight reference = problem.pack(Isa::kReference);
  expect_output(problem, run_emulated(problem, reference), problem.run(reference), name_of(c));
}

struct Size {
  std::int64_t M, N, K;
};

// Tiles of 16 rows in pairs, panels of 32 columns, k in 64 bytes and blocks of 192 words.
const std::vector<Size> kSizes = {{1, 1, 1},     {2, 31, 33},   {15, 32, 64},  {16, 33, 65},
                                  {17, 64, 128}, {31, 16, 200}, {32, 48, 383}, {33, 100, 384},
                                  {47, 7, 385},  {48, 65, 768}, {63, 96, 769}, {197, 40, 500},
                                  {230, 33, 70}, {5, 70, 2048}, {40, 40, 1024}};

TEST_F(LinearAmxTest, MatchesTheReference) {
  for (const Size& size : kSizes) {
    for (const ActType compute : {ActType::kBf16, ActType::kI8}) {
      check({.M = size.M, .N = size.N, .K = size.K, .compute = compute, .bias = true});
      check({.M = size.M,
             .N = size.N,
             .K = size.K,
             .compute = compute,
             .output = ActType::kBf16,
             .gated = true,
             .gap = 32});
    }
  }
}

TEST_F(LinearAmxTest, ReadsBlockForms) {
  for (const WeightForm form : {WeightForm::kQ8_0, WeightForm::kQ4_0}) {
    for (const Size& size : {Size{3, 5, 32}, Size{20, 70, 416}, Size{33, 32, 1056}}) {
      check({.M = size.M, .N = size.N, .K = size.K, .compute = ActType::kBf16, .form = form});
    }
  }
}

TEST_F(LinearAmxTest, RotatesAndAddsResiduals) {
  for (const ActType compute : {ActType::kBf16, ActType::kI8}) {
    check({.M = 50,
           .N = 192,
           .K = 100,
           .compute = compute,
           .bias = true,
           .heads = 2,
           .head_width = 32,
           .layer_scale = true,
           .residual = true});
    check({.M = 50, .N = 70, .K = 100, .compute = compute, .residual = true, .in_place = true});
  }
}

TEST_F(LinearAmxTest, ResultsDependNeitherOnThreadsNorOnRows) {
  for (const ActType compute : {ActType::kBf16, ActType::kI8}) {
    const LinearProblem problem({.M = 301, .N = 100, .K = 800, .compute = compute});
    const PackedWeight reference = problem.pack(Isa::kReference);
    const std::vector<std::byte> one = [&] {
      const testing_support::ScopedThreads guard(1);
      return run_emulated(problem, reference);
    }();
    for (const int threads : {2, 5}) {
      const testing_support::ScopedThreads guard(threads);
      EXPECT_EQ(run_emulated(problem, reference), one) << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace conopa::kernels

#endif

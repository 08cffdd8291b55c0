// Every level of linear against the reference.

#include "conopa/kernels/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <utility>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "tests/kernels/linear_support.h"
#include "tests/kernels/train_ops_support.h"

namespace conopa::kernels {
namespace {

using testing_support::check_linear_case;
using testing_support::expect_output;
using testing_support::LinearCase;
using testing_support::LinearProblem;
using testing_support::name_of;
using testing_support::ScopedThreads;

std::vector<Isa> fast_isas() {
  std::vector<Isa> isas = available_isas();
  isas.erase(isas.begin());
  return isas;
}

constexpr ActType kTypes[] = {ActType::kF32, ActType::kBf16, ActType::kI8};

struct Size {
  std::int64_t M, N, K;
};

// Register tiles are 6x16, 14x32 and 32x32; k blocks are 256 and 512 words: every remainder of rows
// up to two tiles, both sides of each panel and vector edge, one k block, many and none whole.
const std::vector<Size> kSizes = {
    {1, 1, 1},      {1, 33, 257},   {2, 16, 2},    {3, 17, 31},    {4, 31, 33},    {5, 32, 64},
    {6, 15, 63},    {7, 63, 65},    {8, 64, 66},   {9, 65, 127},   {10, 10, 128},  {11, 7, 129},
    {12, 48, 191},  {13, 13, 13},   {14, 96, 511}, {15, 8, 512},   {16, 100, 513}, {17, 3, 1025},
    {27, 30, 260},  {28, 34, 768},  {29, 97, 40},  {31, 12, 1500}, {32, 47, 2047}, {33, 49, 2050},
    {57, 129, 600}, {197, 70, 300}, {226, 36, 70}, {449, 20, 48},  {1, 300, 3000}};

TEST(LinearTest, EveryLevelMatchesTheReference) {
  const ScopedThreads guard(1);  // many small products; threads have a test of their own
  for (const Size& size : kSizes) {
    for (const ActType compute : kTypes) {
      for (const ActType output : {ActType::kF32, ActType::kBf16}) {
        check_linear_case(
            {.M = size.M, .N = size.N, .K = size.K, .compute = compute, .output = output},
            fast_isas());
      }
    }
  }
}

/// Every distinct linear layer of every preset, [outputs, inputs]; patches and depthwise maps too.
std::set<std::pair<std::int64_t, std::int64_t>> layers_of_all_families() {
  std::set<std::pair<std::int64_t, std::int64_t>> layers;
  for (const arch::Preset& preset : arch::find_presets("*")) {
    arch::EncoderSpec spec = arch::preset_spec(preset.name);
    spec.resolve();
    const arch::TensorTable table(spec);
    for (const arch::TensorEntry& entry : table.entries()) {
      if (entry.shape.size() != 2 && entry.shape.size() != 4) continue;
      std::int64_t inputs = 1;
      for (std::size_t i = 1; i < entry.shape.size(); ++i) inputs *= entry.shape[i];
      layers.insert({entry.shape[0], inputs});
    }
  }
  return layers;
}

TEST(LinearTest, MatchesTheReferenceAtEverySizeOfEveryFamily) {
  const auto layers = layers_of_all_families();
  ASSERT_TRUE(layers.contains({768, 2048}));  // the base models' down projection
  for (const auto& [n, k] : layers) {
    // Every level multiplies the small layers; the blocks of large ones are the same for all.
    const bool large = n * k > (1 << 20);
    for (const ActType compute : kTypes) {
      check_linear_case({.M = 2,
                         .N = n,
                         .K = k,
                         .compute = compute,
                         .output = compute == ActType::kF32 ? ActType::kF32 : ActType::kBf16},
                        large ? std::vector<Isa>{detected_isa()} : fast_isas());
    }
  }
}

// Autoregressive image models (their whole series) and inserted LLaMA blocks, with few rows.
TEST(LinearTest, MatchesTheReferenceAtLargeWidths) {
  const std::vector<std::pair<Size, ActType>> cases = {
      {{2, 1536, 1536}, ActType::kF32},  {{2, 1536, 1536}, ActType::kI8},
      {{2, 2048, 8192}, ActType::kBf16}, {{1, 3072, 3072}, ActType::kI8},
      {{1, 4096, 4096}, ActType::kF32},  {{1, 11008, 4096}, ActType::kBf16},
      {{2, 4096, 11008}, ActType::kI8}};
  for (const auto& [size, compute] : cases) {
    check_linear_case({.M = size.M, .N = size.N, .K = size.K, .compute = compute},
                      {detected_isa()});
  }
}

TEST(LinearTest, ReadsEveryWeightForm) {
  const ScopedThreads guard(1);  // many small products; threads have a test of their own
  for (const WeightForm form : {WeightForm::kF32, WeightForm::kF16, WeightForm::kBf16,
                                WeightForm::kI8, WeightForm::kQ8_0, WeightForm::kQ4_0}) {
    for (const ActType compute : kTypes) {
      const bool blocks = form == WeightForm::kQ8_0 || form == WeightForm::kQ4_0;
      if (blocks && compute == ActType::kI8) continue;
      for (const Size& size : {Size{3, 5, 32}, Size{20, 70, 96}, Size{9, 33, 1056}}) {
        for (const bool gated : {false, true}) {
          check_linear_case({.M = size.M,
                             .N = size.N,
                             .K = size.K,
                             .compute = compute,
                             .form = form,
                             .gated = gated,
                             .bias = true},
                            fast_isas());
        }
      }
    }
  }
}

std::vector<LinearCase> epilogues() {
  std::vector<LinearCase> cases;
  for (const Size& size : {Size{37, 70, 40}, Size{20, 192, 300}, Size{5, 16, 64}}) {
    const LinearCase base{.M = size.M, .N = size.N, .K = size.K, .gap = 16};
    const auto add = [&](auto change) {
      LinearCase c = base;
      change(c);
      cases.push_back(c);
    };
    add([](LinearCase& c) { c.bias = true; });
    add([](LinearCase& c) { c.bias = c.gelu = true; });
    add([](LinearCase& c) { c.gelu = c.layer_scale = true; });
    add([](LinearCase& c) { c.gated = true; });
    add([](LinearCase& c) { c.gated = c.bias = c.layer_scale = c.residual = true; });
    add([](LinearCase& c) { c.bias = c.layer_scale = c.residual = true; });
    add([](LinearCase& c) { c.residual = c.in_place = true; });
    add([](LinearCase& c) {
      c.residual = true;
      c.residual_rows = 7;
    });
    add([](LinearCase& c) {
      c.bias = c.residual = true;
      c.residual_rows = 4;
      c.group = 4;
      c.group_stride = 5;
    });
  }
  return cases;
}

TEST(LinearTest, AppliesEveryEpilogue) {
  const ScopedThreads guard(1);  // many small products; threads have a test of their own
  for (LinearCase c : epilogues()) {
    for (const ActType compute : kTypes) {
      for (const ActType output : {ActType::kF32, ActType::kBf16}) {
        if (c.in_place && output == ActType::kBf16) continue;
        c.compute = compute;
        c.output = output;
        check_linear_case(c, fast_isas());
      }
    }
  }
}

// Heads narrower and wider than a panel, its divisors and not; columns that are not rotated.
TEST(LinearTest, RotatesHeadsOfAnyWidth) {
  const ScopedThreads guard(1);  // many small products; threads have a test of their own
  for (const std::int64_t head_width : {2, 6, 8, 16, 24, 32, 48, 64, 66, 80, 128}) {
    for (const ActType compute : kTypes) {
      for (const bool per_head : {false, true}) {
        check_linear_case({.M = 17,
                           .N = 9 * head_width + 5,
                           .K = 33,
                           .compute = compute,
                           .output = per_head ? ActType::kBf16 : ActType::kF32,
                           .bias = per_head,
                           .heads = 3,
                           .head_width = head_width,
                           .table_per_head = per_head,
                           .layer_scale = per_head,
                           .residual = true},
                          fast_isas());
      }
    }
  }
}

TEST(LinearTest, ResultsDependNeitherOnThreadsNorOnRows) {
  for (const ActType compute : kTypes) {
    const LinearProblem problem({.M = 301, .N = 200, .K = 700, .compute = compute, .bias = true});
    for (const Isa isa : fast_isas()) {
      const PackedWeight weight = problem.pack(isa);
      std::vector<std::vector<std::byte>> outputs;
      for (const int threads : {1, 2, 5}) {
        const ScopedThreads guard(threads);
        outputs.push_back(problem.run(weight));
      }
      EXPECT_EQ(outputs[0], outputs[1]) << weight.kernel();
      EXPECT_EQ(outputs[0], outputs[2]) << weight.kernel();
      for (const std::int64_t row : {0, 13, 300}) {
        LinearArgs args = problem.arguments(weight);
        std::vector<std::byte> y(static_cast<std::size_t>(problem.y_stride() * 4));
        args.M = 1;
        args.x.data =
            static_cast<const std::byte*>(args.x.data) + row * args.x.stride * act_size(compute);
        if (args.x.scale != nullptr) args.x.scale += row;
        args.y.data = y.data();
        linear(args);
        EXPECT_TRUE(std::equal(y.begin(), y.end(), outputs[0].begin() + row * std::ssize(y)))
            << weight.kernel() << " row " << row;
      }
    }
  }
}

TEST(LinearTest, PropagatesNanAndInfinity) {
  const ScopedThreads guard(1);  // many small products; threads have a test of their own
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const ActType compute : {ActType::kF32, ActType::kBf16}) {
    for (const float value : {kNan, kInf, -kInf}) {
      for (const bool gelu : {false, true}) {
        LinearProblem problem(
            {.M = 20, .N = 40, .K = 70, .compute = compute, .output = compute, .gelu = gelu});
        const std::int64_t at = 3 * problem.x_stride() + 5;
        const std::uint16_t bits = float_to_bf16(value);
        if (compute == ActType::kF32) {
          std::memcpy(problem.x().data() + 4 * at, &value, 4);
        } else {
          std::memcpy(problem.x().data() + 2 * at, &bits, 2);
        }
        const std::vector<std::byte> expected = problem.run(problem.pack(Isa::kReference));
        ASSERT_FALSE(std::isfinite(testing_support::output_at(problem, expected, 3, 7)) && !gelu);
        for (const Isa isa : fast_isas()) {
          expect_output(problem, problem.run(problem.pack(isa)), expected,
                        fmt::format("{} {} {}", isa_name(isa), name_of(problem.spec()), value));
        }
      }
    }
  }
}

TEST(LinearTest, Int8PropagatesTheNanOfAScale) {
  for (const bool gated : {false, true}) {
    LinearProblem problem(
        {.M = 5, .N = 40, .K = 70, .compute = ActType::kI8, .gated = gated, .gap = 16});
    problem.x_scale()[2] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<std::byte> expected = problem.run(problem.pack(Isa::kReference));
    for (const Isa isa : fast_isas()) {
      const std::vector<std::byte> actual = problem.run(problem.pack(isa));
      expect_output(problem, actual, expected, std::string(isa_name(isa)));
      EXPECT_TRUE(std::isnan(testing_support::output_at(problem, actual, 2, 39)));
    }
  }
}

// The largest int8 products: 255 * 127 * K of the unsigned kernel pass 2^31 and must come back.
TEST(LinearTest, Int8SumsDoNotSaturate) {
  constexpr std::int64_t kInputs = 70016;
  const std::vector<std::int8_t> w(kInputs, 127), x(kInputs, 127);
  const float scale = 1.0F;
  for (const Isa isa : available_isas()) {
    const PackedWeight weight =
        PackedWeight::pack({.N = 1,
                            .K = kInputs,
                            .weight = {.form = WeightForm::kI8, .data = w.data(), .scale = &scale},
                            .compute = ActType::kI8},
                           isa);
    std::vector<float> y(16);
    linear({.M = 1,
            .x = {.type = ActType::kI8, .data = x.data(), .stride = kInputs, .scale = &scale},
            .weight = &weight,
            .y = {.data = y.data(), .stride = 16}});
    EXPECT_EQ(y[0], static_cast<float>(127 * 127 * kInputs)) << isa_name(isa);
  }
}

TEST(LinearTest, CopiesRowsThatShareCacheSets) {
  for (const ActType compute : kTypes) {
    check_linear_case({.M = 40, .N = 40, .K = 4096 / act_size(compute), .compute = compute},
                      fast_isas());
  }
}

TEST(PackedWeightTest, DescribesItself) {
  const LinearProblem problem(
      {.N = 40, .K = 64, .compute = ActType::kBf16, .form = WeightForm::kQ4_0, .gated = true});
  for (const Isa isa : available_isas()) {
    const PackedWeight weight = problem.pack(isa);
    EXPECT_EQ(weight.inputs(), 64);
    EXPECT_EQ(weight.outputs(), 40);
    EXPECT_TRUE(weight.gated());
    EXPECT_EQ(weight.compute(), ActType::kBf16);
    EXPECT_GT(weight.bytes(), 0);
    if (isa != Isa::kReference) {
      EXPECT_THAT(weight.kernel(), testing::EndsWith("from q4_0"));
      EXPECT_LE(weight.bytes(), 2 * 64 * 64 * 18 / 32);  // outputs padded to whole panels
    }
    EXPECT_THAT(explain_linear(weight, 100), testing::StartsWith(weight.kernel()));
  }
}

TEST(PackedWeightTest, RejectsALevelTheMachineLacks) {
  if (detected_isa() == Isa::kAmx) GTEST_SKIP() << "this machine has every level";
  const LinearProblem problem(LinearCase{});
  EXPECT_THROW((void)problem.pack(Isa::kAmx), UnsupportedError);
}

}  // namespace
}  // namespace conopa::kernels

#include "conopa/nn/next_patch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "conopa/core/error.h"
#include "conopa/nn/convert.h"

namespace conopa::nn {
namespace {

using testing::Each;
using testing::ElementsAre;
using Integers = std::vector<std::int64_t>;

Integers integers(const at::Tensor& t) { return to_host(t).to_i64(); }
at::Tensor longs(const Integers& values) { return at::tensor(values, at::kLong); }

// Squared error of place k is (k + 1)² in sample 0 and 100 times that in sample 1, if predictions
// are zero: [2, 4, 3].
at::Tensor counting_target() {
  const at::Tensor one = at::arange(1, 5, at::kFloat).view({1, 4, 1}).expand({1, 4, 3});
  return at::cat({one, one * 10.0F});
}

float error_of(const Integers& prefix, std::int64_t step = 1) {
  const at::Tensor target = counting_target();
  return next_patch_error(at::zeros({2, 4, 3}), target,
                          prefix.empty() ? at::Tensor() : longs(prefix), step)
      .item<float>();
}

TEST(NextPatchErrorTest, EveryPlaceButTheFirstCountsWithoutPrefix) {
  EXPECT_FLOAT_EQ(error_of({}), (4.0F + 9 + 16) * 101 / 6);
  EXPECT_FLOAT_EQ(error_of({0, 1}), error_of({}));
}

TEST(NextPatchErrorTest, AveragesOverTheTargetsOfTheBatchNotPerImage) {
  EXPECT_FLOAT_EQ(error_of({1, 3}), (4.0F + 9 + 16 + 1600) / 4);
  EXPECT_FLOAT_EQ(error_of({4, 2}), (900.0F + 1600) / 2);  // a sample that is all prefix
}

TEST(NextPatchErrorTest, LooksAsFarAheadAsTheStep) {
  EXPECT_FLOAT_EQ(error_of({}, 2), (9.0F + 16) * 101 / 4);
  EXPECT_FLOAT_EQ(error_of({1, 3}, 2), (9.0F + 16 + 1600) / 3);
}

TEST(NextPatchErrorTest, ComparesEachPlaceWithThePredictionBefore) {
  const at::Tensor target = counting_target();
  // A prediction that is the target one place later is perfect.
  const at::Tensor ahead = at::cat({target.narrow(1, 1, 3), at::full({2, 1, 3}, 7.0)}, 1);
  EXPECT_EQ(next_patch_error(ahead, target).item<double>(), 0.0);
  EXPECT_GT(next_patch_error(target, target).item<double>(), 0.0);
}

TEST(NextPatchErrorTest, GradientReachesCountingPredictionsOnly) {
  at::Tensor prediction = at::zeros({2, 4, 3});
  prediction.requires_grad_(true);
  next_patch_error(prediction, counting_target(), longs({2, 3})).backward();
  const at::Tensor reached = prediction.grad().ne(0).all(-1).to(at::kLong);
  EXPECT_THAT(integers(reached), ElementsAre(0, 1, 1, 0, 0, 0, 1, 0));
}

TEST(NextPatchErrorTest, RefusesBatchesWithoutTargetAndBadPrefixes) {
  EXPECT_THROW((void)error_of({4, 4}), ConfigError);
  EXPECT_THROW((void)error_of({}, 4), ConfigError);
  EXPECT_THROW((void)error_of({}, 0), ConfigError);
  EXPECT_THROW((void)error_of({1, 5}), ConfigError);
  EXPECT_THROW((void)error_of({-1, 2}), ConfigError);
  EXPECT_THROW((void)error_of({1, 2, 3}), ShapeError);
  EXPECT_THROW((void)next_patch_error(at::zeros({2, 4, 3}), at::zeros({2, 4, 2})), ShapeError);
  EXPECT_THROW((void)next_patch_error(at::zeros({2, 1, 3}), at::zeros({2, 1, 3})), ConfigError);
}

TEST(NextPatchTargetsTest, NormalisesEveryPatchByItsUnbiasedVariance) {
  const at::Tensor pixels = at::tensor({1.0F, 2.0F, 3.0F, 6.0F, 5.0F, 5.0F, 5.0F, 5.0F});
  const at::Tensor target = next_patch_targets(pixels.view({1, 2, 4}), PatchTarget::kNormalised);
  const auto deviation = static_cast<float>(std::sqrt(14.0 / 3.0 + 1e-6));
  EXPECT_FLOAT_EQ(target[0][0][0].item<float>(), -2.0F / deviation);
  EXPECT_FLOAT_EQ(target[0][0][3].item<float>(), 3.0F / deviation);
  EXPECT_THAT(to_host(target[0][1]).to_f32(), Each(0.0F));
  EXPECT_TRUE(at::equal(next_patch_targets(pixels, PatchTarget::kRaw), pixels));
  EXPECT_THROW((void)next_patch_targets(at::zeros({1, 4, 1}), PatchTarget::kNormalised),
               ShapeError);
}

TEST(NextTokenErrorTest, IsTheCrossEntropyOfTheTokenBehind) {
  // Logits favour class 0 by log 3 of two: probabilities 3/4 and 1/4.
  at::Tensor logits = at::zeros({1, 3, 2});
  logits.select(2, 0).fill_(std::log(3.0));
  const at::Tensor tokens = longs({1, 0, 1}).view({1, 3});
  EXPECT_NEAR(next_token_error(logits, tokens).item<double>(),
              (std::log(4.0 / 3.0) + std::log(4.0)) / 2, 1e-6);
  EXPECT_NEAR(next_token_error(logits, tokens, longs({2})).item<double>(), std::log(4.0), 1e-6);
}

TEST(NextTokenErrorTest, RefusesTokensOutOfRangeAndBatchesWithoutTarget) {
  const at::Tensor logits = at::zeros({1, 3, 2});
  EXPECT_THROW((void)next_token_error(logits, longs({0, 2, 1}).view({1, 3})), FormatError);
  EXPECT_THROW((void)next_token_error(logits, longs({0, -1, 1}).view({1, 3})), FormatError);
  EXPECT_THROW((void)next_token_error(logits, longs({0, 1}).view({1, 2})), ShapeError);
  EXPECT_THROW((void)next_token_error(logits, longs({0, 1, 1}).view({1, 3}), longs({3})),
               ConfigError);
}

TEST(PermutePlacesTest, GathersASharedOrderOrOnePerSample) {
  const at::Tensor x = at::arange(12).view({2, 3, 2});
  EXPECT_THAT(integers(permute_places(x, longs({2, 0, 1}))),
              ElementsAre(4, 5, 0, 1, 2, 3, 10, 11, 6, 7, 8, 9));
  EXPECT_THAT(integers(permute_places(x, longs({2, 0, 1, 0, 2, 1}).view({2, 3}))),
              ElementsAre(4, 5, 0, 1, 2, 3, 6, 7, 10, 11, 8, 9));
  EXPECT_THAT(integers(permute_places(longs({5, 6, 7}).view({1, 3}), longs({2, 1, 0}))),
              ElementsAre(7, 6, 5));
  EXPECT_THROW((void)permute_places(x, longs({1, 0})), ShapeError);
}

TEST(DrawVisitOrdersTest, SharesFixedOrdersAndDrawsRandomOnesPerSample) {
  const Integers some{4, 9};
  const Integers others{9, 2, 4};
  const NoiseKey key{.seed = 1, .epoch = 2};
  const auto draw = [](const NoiseKey& k, const Integers& samples) {
    return draw_visit_orders(arch::VisitOrder::kRandom, 3, 4, k, samples);
  };
  EXPECT_EQ(integers(draw_visit_orders(arch::VisitOrder::kSpiral, 3, 4, key, some)),
            arch::visit_order(arch::VisitOrder::kSpiral, 3, 4));
  const at::Tensor a = draw(key, some);
  EXPECT_EQ(a.sizes(), (Integers{2, 12}));
  EXPECT_TRUE(at::equal(a[0], draw(key, others)[2]));
  EXPECT_FALSE(at::equal(a[0], a[1]));
  EXPECT_FALSE(at::equal(a, draw({.seed = 1, .epoch = 3}, some)));
  EXPECT_FALSE(at::equal(a, draw({.seed = 2, .epoch = 2}, some)));
}

TEST(DrawPrefixesTest, IsAFunctionOfSeedEpochAndSampleAlone) {
  const Integers some{4, 9};
  const Integers others{9, 2, 4};
  const NoiseKey key{.seed = 1, .epoch = 2};
  const Integers a = integers(draw_prefixes(key, some, 1000));
  const Integers b = integers(draw_prefixes(key, others, 1000));
  EXPECT_EQ(a[0], b[2]);
  EXPECT_EQ(a[1], b[0]);
  EXPECT_NE(a, integers(draw_prefixes({.seed = 1, .epoch = 3}, some, 1000)));
  EXPECT_NE(a, integers(draw_prefixes({.seed = 2, .epoch = 2}, some, 1000)));
}

TEST(DrawPrefixesTest, EveryLengthFromOneToTheLastButOneIsAsLikely) {
  Integers samples(9000);
  std::iota(samples.begin(), samples.end(), 0);
  std::vector<int> counts(10);
  for (const std::int64_t length : integers(draw_prefixes({.seed = 5}, samples, 10))) {
    ASSERT_GE(length, 1);
    ASSERT_LE(length, 9);
    ++counts[static_cast<std::size_t>(length)];
  }
  // 1000 each; the standard deviation is 30.
  for (std::size_t length = 1; length < 10; ++length) EXPECT_NEAR(counts[length], 1000, 150);
  EXPECT_THAT(integers(draw_prefixes({}, samples, 2)), Each(1));
  EXPECT_THROW((void)draw_prefixes({}, samples, 1), ConfigError);
}

}  // namespace
}  // namespace conopa::nn

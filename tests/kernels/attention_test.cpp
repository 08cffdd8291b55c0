#include "conopa/kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "conopa/core/error.h"
#include "kernels/reference/attention.h"
#include "tests/kernels/train_ops_support.h"

namespace conopa::kernels {
namespace {

using testing_support::fast_rows;
using testing_support::FastOpsTest;
using testing_support::isa_test_name;
using testing_support::random_doubles;
using testing_support::random_floats;
using testing_support::reference_ops;
using testing_support::relative_error;
using testing_support::ScopedThreads;

enum class Rope { kNone, kShared, kPerHead, kPerSample, kHalfSplit };

struct Case {
  std::int64_t batch, tokens, heads, width;
  MaskKind mask = MaskKind::kNone;
  float alpha = 0.0F;
  Rope rope = Rope::kShared;
};

/// A case's buffers; results of one row of the table.
struct Problem {
  explicit Problem(const Case& c)
      : shape{.batch = c.batch,
              .queries = c.tokens,
              .keys = c.tokens,
              .heads = c.heads,
              .head_width = c.width},
        qkv(random_floats(c.batch * c.tokens * 3 * c.heads * c.width, 1)),
        dout(random_floats(c.batch * c.tokens * c.heads * c.width, 2)) {
    for (std::int64_t b = 0; b < c.batch; ++b) {
      prefix.push_back((3 + 7 * b) % (c.tokens + 1));
    }
    make_table(c);
    input = packed_attention(
        shape, qkv, 1.0F / std::sqrt(static_cast<float>(c.width)),
        {.kind = c.mask,
         .alpha = c.alpha,
         .prefix = c.mask == MaskKind::kPrefixCausal ? prefix : std::vector<std::int64_t>{}},
        table);
    if (c.mask == MaskKind::kPrefixCausal) input.mask.prefix = prefix;
  }

  void make_table(const Case& c) {
    if (c.rope == Rope::kNone) return;
    const std::int64_t one = c.tokens * (c.width / 2);
    const std::int64_t copies = c.rope == Rope::kPerHead     ? c.heads
                                : c.rope == Rope::kPerSample ? c.batch
                                                             : 1;
    for (const float angle : random_floats(one * copies, 3)) {
      cos.push_back(std::cos(angle));
      sin.push_back(std::sin(angle));
    }
    table = {.cos = cos,
             .sin = sin,
             .head_stride = c.rope == Rope::kPerHead ? one : 0,
             .batch_stride = c.rope == Rope::kPerSample ? one : 0,
             .pairs = c.rope == Rope::kHalfSplit ? RopePairs::kHalfSplit : RopePairs::kAdjacent};
  }

  AttentionShape shape;
  std::vector<float> qkv;
  std::vector<float> dout;
  std::vector<std::int64_t> prefix;
  std::vector<float> cos;
  std::vector<float> sin;
  RopeTable table;
  AttentionInput input;
};

struct Results {
  std::vector<float> out, lse, map, dqkv;
};

Results run(const TrainOps& ops, const Problem& p) {
  const AttentionShape& s = p.shape;
  const auto rows = static_cast<std::size_t>(s.batch * s.heads * s.queries);
  Results r{.out = std::vector<float>(p.dout.size(), 99.0F),
            .lse = std::vector<float>(rows, 99.0F),
            .map = std::vector<float>(rows * static_cast<std::size_t>(s.keys), 99.0F),
            .dqkv = std::vector<float>(p.qkv.size(), 99.0F)};
  ops.attention_forward(p.input, {.out = r.out, .lse = r.lse, .map = r.map});
  ops.attention_backward(p.input, p.dout, r.lse, packed_attention_grads(s, r.dqkv));
  return r;
}

std::vector<Case> cases() {
  return {{2, 50, 3, 32},
          {1, 1, 1, 16},
          {2, 2, 1, 2},
          {1, 17, 2, 24},
          {2, 33, 2, 18, MaskKind::kCausal},
          {1, 16, 2, 64, MaskKind::kCausal, 0.0F, Rope::kHalfSplit},
          {2, 50, 3, 32, MaskKind::kCausal},
          {2, 50, 3, 32, MaskKind::kSoftCausal, 0.0F},
          {1, 50, 3, 32, MaskKind::kSoftCausal, 0.3F},
          {2, 50, 2, 32, MaskKind::kSoftCausal, 1.0F},
          {1, 7, 2, 5, MaskKind::kSoftCausal, 0.5F, Rope::kNone},
          {2, 50, 2, 16, MaskKind::kCausalFirstOpen, 0.0F, Rope::kPerHead},
          {1, 19, 1, 20, MaskKind::kCausalFirstOpen, 0.0F, Rope::kHalfSplit},
          {3, 50, 2, 32, MaskKind::kPrefixCausal, 0.0F, Rope::kPerSample},
          {3, 23, 2, 12, MaskKind::kPrefixCausal, 0.0F, Rope::kHalfSplit},
          {1, 64, 2, 128},
          {1, 197, 2, 64},
          {1, 197, 1, 64, MaskKind::kCausal},
          {1, 197, 1, 64, MaskKind::kSoftCausal, 0.0F},
          {1, 197, 1, 48, MaskKind::kSoftCausal, 0.7F},
          {1, 200, 1, 40, MaskKind::kCausalFirstOpen},
          {2, 210, 1, 32, MaskKind::kPrefixCausal},
          {1, 577, 1, 64, MaskKind::kSoftCausal, 0.0F},
          {1, 300, 1, 32, MaskKind::kNone, 0.0F, Rope::kNone},
          {1, 577, 1, 16, MaskKind::kCausal, 0.0F, Rope::kNone}};
}

std::string describe(const Case& c) {
  return "B" + std::to_string(c.batch) + " N" + std::to_string(c.tokens) + " H" +
         std::to_string(c.heads) + " Dh" + std::to_string(c.width) + " mask " +
         std::to_string(static_cast<int>(c.mask)) + " alpha " + std::to_string(c.alpha) + " rope " +
         std::to_string(static_cast<int>(c.rope));
}

// float32 sums of up to 577 products against double: a few 1e-7 of the largest value.
constexpr double kTolerance = 4e-6;

class FastAttentionTest : public FastOpsTest {};
INSTANTIATE_TEST_SUITE_P(Isa, FastAttentionTest, ::testing::ValuesIn(fast_rows()), isa_test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastAttentionTest);

TEST_P(FastAttentionTest, AgreesWithReferenceOverShapesAndMasks) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(describe(c));
    const Problem p(c);
    const Results fast = run(GetParam(), p);
    const Results expected = run(reference_ops(), p);
    EXPECT_LT(relative_error(fast.out, expected.out), kTolerance);
    EXPECT_LT(relative_error(fast.lse, expected.lse), kTolerance);
    EXPECT_LT(relative_error(fast.map, expected.map), kTolerance);
    EXPECT_LT(relative_error(fast.dqkv, expected.dqkv), kTolerance);
  }
}

TEST_P(FastAttentionTest, TakesFewerKeysThanQueriesWithTheirOwnRotation) {
  const Problem queries({2, 49, 2, 32});
  const Problem keys({2, 9, 2, 32});
  AttentionInput input = queries.input;
  input.shape.keys = 9;
  input.k = keys.input.k;
  input.v = keys.input.v;
  input.rope_k = keys.input.rope_k;
  std::vector<std::vector<float>> results;
  for (const TrainOps& ops : {GetParam(), reference_ops()}) {
    std::vector<float> out(queries.dout.size());
    std::vector<float> lse(2 * 2 * 49);
    std::vector<float> dq(queries.dout.size());
    std::vector<float> dk(keys.dout.size());
    std::vector<float> dv(keys.dout.size());
    ops.attention_forward(input, {.out = out, .lse = lse});
    ops.attention_backward(input, queries.dout, lse,
                           {.dq = {dq, 64}, .dk = {dk, 64}, .dv = {dv, 64}});
    for (const auto& values : {out, dq, dk, dv}) results.push_back(values);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_LT(relative_error(results[i], results[i + 4]), kTolerance) << i;
  }
}

TEST_P(FastAttentionTest, GivesTheSameBytesForEveryThreadCount) {
  const Problem p({3, 50, 3, 32, MaskKind::kSoftCausal, 0.25F});
  Results one, two;
  {
    const ScopedThreads threads(1);
    one = run(GetParam(), p);
  }
  {
    const ScopedThreads threads(2);
    two = run(GetParam(), p);
  }
  EXPECT_EQ(one.out, two.out);
  EXPECT_EQ(one.dqkv, two.dqkv);
}

TEST_P(FastAttentionTest, CarriesNanToEveryQueryThatSeesIt) {
  Problem p({1, 40, 1, 16, MaskKind::kCausal});
  p.qkv[(20 * 3 + 1) * 16] = std::numeric_limits<float>::quiet_NaN();  // k of token 20
  const Results r = run(GetParam(), p);
  for (std::size_t i = 20; i < 40; ++i) EXPECT_TRUE(std::isnan(r.out[i * 16])) << i;
  for (std::size_t i = 0; i < 20; ++i) EXPECT_FALSE(std::isnan(r.lse[i])) << i;
}

TEST_P(FastAttentionTest, StaysFiniteForHugeScores) {
  Problem p({1, 40, 1, 16});
  for (float& v : p.qkv) v *= 100.0F;
  const Results fast = run(GetParam(), p);
  const Results expected = run(reference_ops(), p);
  EXPECT_LT(relative_error(fast.out, expected.out), 1e-2);  // scores near 1e5: their ulp is 0.008
  for (const float v : fast.dqkv) ASSERT_TRUE(std::isfinite(v));
}

struct MaskParameter {
  MaskKind kind;
  double alpha;
};
void PrintTo(const MaskParameter& mask, std::ostream* out) {
  *out << static_cast<int>(mask.kind) << " rate " << mask.alpha;
}
class AttentionGradientTest : public ::testing::TestWithParam<MaskParameter> {};
INSTANTIATE_TEST_SUITE_P(Masks, AttentionGradientTest,
                         ::testing::Values(MaskParameter{MaskKind::kNone, 0.0},
                                           MaskParameter{MaskKind::kCausal, 0.0},
                                           MaskParameter{MaskKind::kSoftCausal, 0.0},
                                           MaskParameter{MaskKind::kSoftCausal, 0.4},
                                           MaskParameter{MaskKind::kCausalFirstOpen, 0.0},
                                           MaskParameter{MaskKind::kPrefixCausal, 0.0}));

TEST_P(AttentionGradientTest, MatchesFiniteDifferencesInDouble) {
  const reference::HeadProblem problem{.queries = 6,
                                       .keys = 6,
                                       .width = 4,
                                       .scale = 0.5,
                                       .mask = GetParam().kind,
                                       .alpha = GetParam().alpha,
                                       .prefix = 3};
  reference::HeadTensors x{
      .q = random_doubles(24, 1), .k = random_doubles(24, 2), .v = random_doubles(24, 3)};
  const std::vector<double> weight = random_doubles(24, 4);
  const auto objective = [&] {
    return testing_support::dot(reference::head_forward(problem, x).out, weight);
  };
  reference::HeadTensors g = reference::head_backward(problem, x, weight);
  for (auto [values, grads] :
       {std::pair{&x.q, &g.q}, std::pair{&x.k, &g.k}, std::pair{&x.v, &g.v}}) {
    for (std::size_t i = 0; i < values->size(); ++i) {
      EXPECT_NEAR(testing_support::central_difference(*values, i, objective), (*grads)[i], 1e-8);
    }
  }
}

class AttentionMaskTest : public ::testing::Test {
 protected:
  static Results with(MaskKind mask, float alpha = 0.0F) {
    return run(train_ops(), Problem({2, 21, 2, 16, mask, alpha}));
  }
  static double row_sum(const Results& r, std::size_t row) {
    double sum = 0.0;
    for (std::size_t j = 0; j < 21; ++j) sum += static_cast<double>(r.map[row * 21 + j]);
    return sum;
  }
};

TEST_F(AttentionMaskTest, SoftMaskOfRateOneIsNoMask) {
  const Results soft = with(MaskKind::kSoftCausal, 1.0F);
  const Results none = with(MaskKind::kNone);
  EXPECT_LT(relative_error(soft.out, none.out), 1e-6);
  EXPECT_LT(relative_error(soft.dqkv, none.dqkv), 1e-6);
}

TEST_F(AttentionMaskTest, HardMasksKeepRowSumsAtOne) {
  for (const MaskKind kind :
       {MaskKind::kNone, MaskKind::kCausal, MaskKind::kCausalFirstOpen, MaskKind::kPrefixCausal}) {
    const Results r = with(kind);
    for (std::size_t row = 0; row < 84; ++row) EXPECT_NEAR(row_sum(r, row), 1.0, 1e-5);
  }
}

TEST_F(AttentionMaskTest, SoftMaskLosesWeightInEveryRowButTheLast) {
  const Results r = with(MaskKind::kSoftCausal, 0.0F);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_LT(row_sum(r, i), 1.0 - 1e-6) << i;
  EXPECT_NEAR(row_sum(r, 20), 1.0, 1e-5);
}

TEST_F(AttentionMaskTest, CausalFirstTokenSeesOnlyItself) {
  // The collapse of a class token in front: its output is its own value, whatever the image.
  const Problem p({2, 21, 2, 16, MaskKind::kCausal});
  const Results r = run(train_ops(), p);
  for (std::size_t c = 0; c < 32; ++c) EXPECT_FLOAT_EQ(r.out[c], p.qkv[64 + c]);
}

TEST_F(AttentionMaskTest, CausalOutputsIgnoreLaterTokensAndSoftOnesDoNot) {
  for (const MaskKind kind : {MaskKind::kCausal, MaskKind::kSoftCausal}) {
    Problem p({1, 21, 2, 16, kind});
    const Results before = run(train_ops(), p);
    p.qkv[20 * 96 + 32] += 1.0F;  // first key channel of the last token
    const Results after = run(train_ops(), p);
    const bool same =
        std::equal(before.out.begin(), before.out.begin() + 20 * 32, after.out.begin());
    EXPECT_EQ(same, kind == MaskKind::kCausal);
  }
}

TEST_F(AttentionMaskTest, PrefixOfZeroIsCausalAndOfAllTokensIsNone) {
  Problem p({2, 21, 2, 16, MaskKind::kPrefixCausal});
  const std::vector<std::int64_t> zero{0, 0};
  const std::vector<std::int64_t> all{21, 21};
  p.input.mask.prefix = zero;
  EXPECT_EQ(run(train_ops(), p).out, with(MaskKind::kCausal).out);
  p.input.mask.prefix = all;
  EXPECT_EQ(run(train_ops(), p).out, with(MaskKind::kNone).out);
}

TEST(AttentionTest, RefusesWhatDoesNotFit) {
  const Problem p({2, 5, 2, 8});
  std::vector<float> out(p.dout.size());
  std::vector<float> lse(20);
  const AttentionOutput output{.out = out, .lse = lse};
  EXPECT_NO_THROW(attention_forward(p.input, output));
  EXPECT_THROW(attention_forward(p.input, {.out = std::span(out).first(7)}), ShapeError);
  EXPECT_THROW(attention_forward(p.input, {.out = out, .lse = std::span(lse).first(3)}),
               ShapeError);
  AttentionInput input = p.input;
  input.shape.keys = 4;
  input.mask.kind = MaskKind::kCausal;
  EXPECT_THROW(attention_forward(input, output), ShapeError);
  input = p.input;
  input.mask = {.kind = MaskKind::kSoftCausal, .alpha = 1.5F};
  EXPECT_THROW(attention_forward(input, output), ShapeError);
  const std::vector<std::int64_t> prefix{2, 6};
  input.mask = {.kind = MaskKind::kPrefixCausal, .prefix = prefix};
  EXPECT_THROW(attention_forward(input, output), ShapeError);
  input = p.input;
  input.rope_k.cos = input.rope_k.cos.first(3);
  EXPECT_THROW(attention_forward(input, output), ShapeError);
  input = p.input;
  input.v.values = input.v.values.first(10);
  EXPECT_THROW(attention_forward(input, output), ShapeError);
  EXPECT_THROW(attention_backward(p.input, p.dout, {}, {}), ShapeError);
  EXPECT_THROW(std::ignore = packed_attention(p.shape, out, 1.0F, {}, {}), ShapeError);
}

}  // namespace
}  // namespace conopa::kernels

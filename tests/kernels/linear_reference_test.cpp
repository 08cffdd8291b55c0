// The oracle of linear against numbers worked out by hand, and what every level rejects.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/core/error.h"
#include "conopa/kernels/linear.h"

namespace conopa::kernels {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::FloatNear;

/// Float rows padded to the stride that linear asks for.
std::vector<float> padded_rows(const std::vector<std::vector<float>>& rows) {
  std::vector<float> all;
  for (const std::vector<float>& row : rows) {
    all.insert(all.end(), row.begin(), row.end());
    all.resize(all.size() + static_cast<std::size_t>(act_padded(ActType::kF32, std::ssize(row)) -
                                                     std::ssize(row)));
  }
  return all;
}

/// A product of x [rows][K] with w [N, K], float32 in and out, at the reference level.
class Layer {
 public:
  Layer(std::int64_t n, const std::vector<std::vector<float>>& x, std::vector<float> w,
        std::vector<float> gate = {})
      : m_(std::ssize(x)),
        n_(n),
        k_(std::ssize(x[0])),
        x_(padded_rows(x)),
        w_(std::move(w)),
        gate_(std::move(gate)) {}

  [[nodiscard]] std::vector<float> run(const Epilogue& epilogue, std::int64_t group = 0,
                                       std::int64_t group_stride = 0,
                                       std::int64_t output_rows = 0) const {
    const WeightView gate{.data = gate_.empty() ? nullptr : gate_.data()};
    const PackedWeight weight = PackedWeight::pack(
        {.N = n_, .K = k_, .weight = {.data = w_.data()}, .gate = gate}, Isa::kReference);
    const std::int64_t stride = act_padded(ActType::kF32, n_);
    const std::int64_t rows = output_rows == 0 ? m_ : output_rows;
    std::vector<float> y(static_cast<std::size_t>(rows * stride), -7.0F);
    linear({.M = m_,
            .x = {.data = x_.data(), .stride = act_padded(ActType::kF32, k_)},
            .weight = &weight,
            .epilogue = epilogue,
            .y = {.data = y.data(), .stride = stride},
            .group = group,
            .group_stride = group_stride});
    std::vector<float> values;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t n = 0; n < n_; ++n) {
        values.push_back(y[static_cast<std::size_t>(r * stride + n)]);
      }
      if (y[static_cast<std::size_t>(r * stride)] == -7.0F) continue;  // a row left alone
      for (std::int64_t n = n_; n < stride; ++n) {
        EXPECT_EQ(y[static_cast<std::size_t>(r * stride + n)], 0.0F) << "pad of row " << r;
      }
    }
    return values;
  }

 private:
  std::int64_t m_, n_, k_;
  std::vector<float> x_, w_, gate_;
};

Layer two_by_three() {
  return {2, {{1, 2, 3}, {4, 5, 6}}, {1, 0, -1, 2, 1, 0.5F}};  // products -2 5.5, -2 16
}

TEST(LinearReferenceTest, MultipliesAsOnPaper) {
  EXPECT_THAT(two_by_three().run({}), ElementsAre(-2, 5.5F, -2, 16));
}

TEST(LinearReferenceTest, AddsBiasScaleAndResidualInThatOrder) {
  const std::vector<float> bias{1, -1}, scale{2, 3}, residual{10, 20, 30, 40};
  EXPECT_THAT(two_by_three().run({.bias = bias.data(),
                                  .layer_scale = scale.data(),
                                  .residual = residual.data(),
                                  .residual_stride = 2}),
              ElementsAre(8, 33.5F, 28, 85));
}

TEST(LinearReferenceTest, RepeatsResidualRows) {
  const std::vector<float> residual{10, 20};
  EXPECT_THAT(
      two_by_three().run({.residual = residual.data(), .residual_stride = 2, .residual_rows = 1}),
      ElementsAre(8, 25.5F, 8, 36));
}

TEST(LinearReferenceTest, GeluIsTheExactOne) {
  const Layer layer(2, {{1.0F}}, {1.0F, -1.0F});
  EXPECT_THAT(layer.run({.activation = Activation::kGelu}),
              ElementsAre(FloatNear(0.84134475F, 1e-7F), FloatNear(-0.15865525F, 1e-7F)));
}

TEST(LinearReferenceTest, GateMultipliesTheUpProjection) {
  const Layer layer(1, {{1.0F, 2.0F}}, {3.0F, 0.0F}, {0.0F, 0.5F});  // up 3, gate 1
  const std::vector<float> bias{1.0F}, gate_bias{-1.0F};
  EXPECT_THAT(layer.run({}), ElementsAre(FloatNear(3.0F * 0.73105858F, 1e-6F)));
  EXPECT_THAT(layer.run({.bias = bias.data()}), ElementsAre(FloatNear(4.0F * 0.73105858F, 1e-6F)));
  EXPECT_THAT(layer.run({.gate_bias = gate_bias.data()}), ElementsAre(0.0F));
}

TEST(LinearReferenceTest, RotatesPairsByTokenAndHead) {
  // Six columns, two heads of one pair each are rotated; the last pair is left alone.
  const Layer layer(6, {{1.0F}, {10.0F}}, {1, 2, 3, 4, 5, 6});
  const std::vector<float> cos{0, 1, 1, 0}, sin{1, 0, 0, -1};  // [head][token]
  EXPECT_THAT(layer.run({.rope = {.cos = cos.data(),
                                  .sin = sin.data(),
                                  .tokens = 2,
                                  .head_width = 2,
                                  .head_stride = 2,
                                  .heads = 2,
                                  .columns = 4}}),
              ElementsAre(-2, 1, 3, 4, 5, 6, 10, 20, 40, -30, 50, 60));
}

TEST(LinearReferenceTest, WritesGroupsOfRowsBehindTheirToken) {
  const Layer layer(1, {{1}, {2}, {3}, {4}}, {1.0F});
  EXPECT_THAT(layer.run({}, 2, 3, 6), ElementsAre(1, 2, -7, 3, 4, -7));
}

TEST(LinearReferenceTest, Bf16RoundsWeightAndOutput) {
  const float third = 1.0F / 3.0F;
  const std::vector<std::uint16_t> x = [] {
    std::vector<std::uint16_t> row(32);
    row[0] = float_to_bf16(3.0F);
    return row;
  }();
  std::vector<std::uint16_t> y(32, 0x1234);
  const PackedWeight weight = PackedWeight::pack(
      {.N = 1, .K = 1, .weight = {.data = &third}, .compute = ActType::kBf16}, Isa::kReference);
  linear({.M = 1,
          .x = {.type = ActType::kBf16, .data = x.data(), .stride = 32},
          .weight = &weight,
          .y = {.type = ActType::kBf16, .data = y.data(), .stride = 32}});
  EXPECT_EQ(y[0], float_to_bf16(3.0F * bf16_to_float(float_to_bf16(third))));
  EXPECT_THAT(std::vector<std::uint16_t>(y.begin() + 1, y.end()), testing::Each(0));
}

/// One row of int8 input times a stored weight of one output.
float int8_product(const WeightView& view, const std::vector<std::int8_t>& values, float scale) {
  std::vector<std::int8_t> x = values;
  x.resize(64);
  std::vector<float> y(16);
  const PackedWeight weight = PackedWeight::pack(
      {.N = 1, .K = std::ssize(values), .weight = view, .compute = ActType::kI8}, Isa::kReference);
  linear({.M = 1,
          .x = {.type = ActType::kI8, .data = x.data(), .stride = 64, .scale = &scale},
          .weight = &weight,
          .y = {.data = y.data(), .stride = 16}});
  return y[0];
}

TEST(LinearReferenceTest, Int8MultipliesIntegersAndScales) {
  const std::vector<std::int8_t> w{-127, 5};
  const float scale = 0.5F;
  EXPECT_EQ(
      int8_product({.form = WeightForm::kI8, .data = w.data(), .scale = &scale}, {2, -3}, 0.25F),
      0.125F * (-254 - 15));
}

TEST(LinearReferenceTest, Int8QuantisesOtherFormsByTheirLargestMagnitude) {
  const std::vector<float> w{254.0F, -1.0F, 2.9F};  // scale 2: 127, -0.5 -> 0, 1.45 -> 1
  EXPECT_THAT(int8_product({.data = w.data()}, {1, 100, 10}, 1.0F), FloatEq(2.0F * (127 + 10)));
  const std::vector<float> zeros(2);
  EXPECT_EQ(int8_product({.data = zeros.data()}, {1, 1}, 1.0F), 0.0F);
}

TEST(LinearReferenceTest, Int8PropagatesNan) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> w{1.0F, kNan}, fine{1.0F, 2.0F};
  EXPECT_TRUE(std::isnan(int8_product({.data = w.data()}, {1, 0}, 1.0F)));
  EXPECT_TRUE(std::isnan(int8_product({.data = fine.data()}, {1, 0}, kNan)));
}

/// The product of ones [32] with one output of block form.
float block_product(WeightForm form, const std::vector<std::uint8_t>& block, std::size_t element) {
  std::vector<float> x(32);
  x[element] = 1.0F;
  std::vector<float> y(16);
  const PackedWeight weight = PackedWeight::pack(
      {.N = 1, .K = 32, .weight = {.form = form, .data = block.data()}}, Isa::kReference);
  linear({.M = 1,
          .x = {.data = x.data(), .stride = 32},
          .weight = &weight,
          .y = {.data = y.data(), .stride = 16}});
  return y[0];
}

TEST(LinearReferenceTest, ReadsBlocksInGgufOrder) {
  std::vector<std::uint8_t> q8(34), q4(18);
  q8[1] = q4[1] = 0x38;  // 0.5 in fp16, little-endian
  q8[2 + 17] = 0xF0;     // -16
  q4[2 + 3] = 0x2F;      // element 3: 15 - 8, element 19: 2 - 8
  EXPECT_EQ(block_product(WeightForm::kQ8_0, q8, 17), -8.0F);
  EXPECT_EQ(block_product(WeightForm::kQ8_0, q8, 16), 0.0F);
  EXPECT_EQ(block_product(WeightForm::kQ4_0, q4, 3), 3.5F);
  EXPECT_EQ(block_product(WeightForm::kQ4_0, q4, 19), -3.0F);
}

TEST(LinearReferenceTest, ReadsHalfPrecisionAtOddAddresses) {
  std::vector<std::uint8_t> bytes(5);
  bytes[2] = 0x38;  // fp16 0.5 at offset 1
  bytes[4] = 0x40;  // fp16 2.0 (0x4000)
  std::vector<float> x(16), y(16);
  x[0] = 2.0F;
  x[1] = 3.0F;
  const PackedWeight weight = PackedWeight::pack(
      {.N = 1, .K = 2, .weight = {.form = WeightForm::kF16, .data = bytes.data() + 1}},
      Isa::kReference);
  linear({.M = 1,
          .x = {.data = x.data(), .stride = 16},
          .weight = &weight,
          .y = {.data = y.data(), .stride = 16}});
  EXPECT_EQ(y[0], 7.0F);
}

struct PackMistake {
  const char* name;
  WeightPack args;
};

TEST(PackedWeightTest, RejectsWrongShapes) {
  const std::vector<float> w(64);
  const WeightView view{.data = w.data()};
  const PackMistake mistakes[] = {
      {"no outputs", {.N = 0, .K = 1, .weight = view}},
      {"no inputs", {.N = 1, .K = 0, .weight = view}},
      {"null", {.N = 1, .K = 1}},
      {"no scale", {.N = 1, .K = 1, .weight = {.form = WeightForm::kI8, .data = w.data()}}},
      {"half a block", {.N = 1, .K = 16, .weight = {.form = WeightForm::kQ8_0, .data = w.data()}}},
      {"gate",
       {.N = 1, .K = 16, .weight = view, .gate = {.form = WeightForm::kQ4_0, .data = w.data()}}}};
  for (const PackMistake& mistake : mistakes) {
    EXPECT_THROW((void)PackedWeight::pack(mistake.args), ShapeError) << mistake.name;
  }
  EXPECT_THROW((void)PackedWeight::pack({.N = 1,
                                         .K = 32,
                                         .weight = {.form = WeightForm::kQ8_0, .data = w.data()},
                                         .compute = ActType::kI8}),
               UnsupportedError);
}

TEST(LinearTest, RejectsWrongArguments) {
  const std::vector<float> w(64), x(64);
  std::vector<float> y(64);
  const PackedWeight weight = PackedWeight::pack({.N = 4, .K = 4, .weight = {.data = w.data()}});
  const PackedWeight gated = PackedWeight::pack(
      {.N = 4, .K = 4, .weight = {.data = w.data()}, .gate = {.data = w.data()}});
  const PackedWeight empty;
  const LinearArgs fine{.M = 2,
                        .x = {.data = x.data(), .stride = 16},
                        .weight = &weight,
                        .y = {.data = y.data(), .stride = 16}};
  EXPECT_NO_THROW(linear(fine));
  const std::vector<std::pair<const char*, void (*)(LinearArgs&)>> mistakes = {
      {"rows", [](LinearArgs& a) { a.M = -1; }},
      {"no weight", [](LinearArgs& a) { a.weight = nullptr; }},
      {"input", [](LinearArgs& a) { a.x.data = nullptr; }},
      {"input type", [](LinearArgs& a) { a.x.type = ActType::kBf16; }},
      {"input stride", [](LinearArgs& a) { a.x.stride = 15; }},
      {"output", [](LinearArgs& a) { a.y.data = nullptr; }},
      {"output type", [](LinearArgs& a) { a.y.type = ActType::kI8; }},
      {"output stride", [](LinearArgs& a) { a.y.stride = 4; }},
      {"group stride", [](LinearArgs& a) { a.group = 3; }},
      {"gate bias", [](LinearArgs& a) { a.epilogue.gate_bias = static_cast<float*>(a.y.data); }},
      {"residual", [](LinearArgs& a) { a.epilogue.residual = static_cast<float*>(a.y.data); }},
      {"half a table", [](LinearArgs& a) { a.epilogue.rope.cos = static_cast<float*>(a.y.data); }},
      {"odd heads",
       [](LinearArgs& a) {
         const auto* table = static_cast<float*>(a.y.data);
         a.epilogue.rope = {.cos = table, .sin = table, .head_width = 3, .heads = 1, .columns = 3};
       }},
      {"part of a section", [](LinearArgs& a) {
         const auto* table = static_cast<float*>(a.y.data);
         a.epilogue.rope = {.cos = table, .sin = table, .head_width = 2, .heads = 2, .columns = 2};
       }}};
  for (const auto& [name, change] : mistakes) {
    LinearArgs args = fine;
    change(args);
    EXPECT_THROW(linear(args), ShapeError) << name;
  }
  LinearArgs args = fine;
  args.weight = &empty;
  EXPECT_THROW(linear(args), ShapeError);
  args.weight = &gated;
  args.epilogue.activation = Activation::kGelu;
  EXPECT_THROW(linear(args), ShapeError);
  EXPECT_THROW((void)explain_linear(empty, 1), ShapeError);
}

TEST(LinearTest, NoRowsNeedNoBuffers) {
  const std::vector<float> w(4);
  const PackedWeight weight = PackedWeight::pack({.N = 2, .K = 2, .weight = {.data = w.data()}});
  EXPECT_NO_THROW(linear({.M = 0, .weight = &weight}));
}

}  // namespace
}  // namespace conopa::kernels

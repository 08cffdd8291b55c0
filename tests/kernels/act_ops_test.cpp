#include "conopa/kernels/act_ops.h"

#include <gtest/gtest.h>

#include <array>

#include "conopa/core/dtype.h"
#include "conopa/core/error.h"
#include "tests/kernels/act_support.h"
#include "tests/kernels/train_ops_support.h"

namespace conopa::kernels {

inline void PrintTo(const ActOps& row, std::ostream* out) { *out << row.name; }

namespace {

using testing_support::ActBuffer;
using testing_support::kActTypes;
using testing_support::kFloatTypes;
using testing_support::kNan;
using testing_support::random_floats;
using testing_support::relative_error;
using testing_support::ScopedThreads;

const ActOps& reference_row() { return act_ops_table().back(); }

std::vector<ActOps> available_rows() {
  std::vector<ActOps> rows;
  for (const ActOps& row : act_ops_table()) {
    if (row.isa <= detected_isa()) rows.push_back(row);
  }
  return rows;
}

/// Largest error that rounding to the type adds, relative to a row's largest value.
double rounding(ActType type) { return type == ActType::kF32 ? 2e-6 : 8e-3; }

class ActOpsTest : public ::testing::TestWithParam<ActOps> {};
std::string test_name(const ::testing::TestParamInfo<ActOps>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Isa, ActOpsTest, ::testing::ValuesIn(available_rows()), test_name);

/// Rows above the reference, to be compared with it; a machine may have none.
std::vector<ActOps> fast_rows() {
  std::vector<ActOps> rows = available_rows();
  rows.pop_back();
  return rows;
}

class FastActOpsTest : public ActOpsTest {};
INSTANTIATE_TEST_SUITE_P(Isa, FastActOpsTest, ::testing::ValuesIn(fast_rows()), test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastActOpsTest);

TEST_P(ActOpsTest, NormsAHandComputedRow) {
  const std::vector<float> x{1.0F, 3.0F, 5.0F, 7.0F};
  const std::vector<float> weight{1.0F, 2.0F, 1.0F, 2.0F}, bias{0.0F, 0.0F, 1.0F, 1.0F};
  ActBuffer y(ActType::kF32, 1, 4);
  norm_rows({.kind = NormKind::kLayer,
             .rows = 1,
             .width = 4,
             .eps = 0.0F,
             .x = x.data(),
             .x_stride = 4,
             .weight = weight.data(),
             .bias = bias.data(),
             .y = y.view()},
            GetParam());
  const float unit = 1.0F / std::sqrt(5.0F);  // the variance is (9 + 1 + 1 + 9) / 4
  EXPECT_LT(relative_error(y.values(), std::vector{-3 * unit, -2 * unit, 1 + unit, 1 + 6 * unit}),
            1e-6);
  norm_rows({.kind = NormKind::kRms,
             .rows = 1,
             .width = 4,
             .eps = 4.0F,
             .x = x.data(),
             .x_stride = 4,
             .y = y.view()},
            GetParam());
  EXPECT_LT(relative_error(y.values(), std::vector{0.2F, 0.6F, 1.0F, 1.4F}), 1e-6);
}

TEST_P(FastActOpsTest, NormsAgreeWithReference) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
    for (const ActType type : kActTypes) {
      for (const auto& [rows, width] : std::vector<std::array<std::int64_t, 2>>{
               {1, 2}, {3, 17}, {5, 64}, {7, 96}, {40, 100}, {3, 192}, {2, 257}, {9, 1024}}) {
        SCOPED_TRACE(::testing::PrintToString(type) + " width " + std::to_string(width));
        const std::int64_t stride = width + 3;
        std::vector<float> x = random_floats(rows * stride, 1, 2.0);
        for (std::int64_t r = 0; r < rows; ++r) {
          for (std::int64_t i = width; i < stride; ++i) {
            x[static_cast<std::size_t>(r * stride + i)] = kNan;
          }
        }
        const auto weight = random_floats(width, 2), bias = random_floats(width, 3);
        for (const bool affine : {false, true}) {
          ActBuffer actual(type, rows, width, 64), expected(type, rows, width);
          NormRows args{.kind = kind,
                        .rows = rows,
                        .width = width,
                        .eps = 1e-5F,
                        .x = x.data(),
                        .x_stride = stride};
          if (affine) args.weight = weight.data();
          if (affine && kind == NormKind::kLayer) args.bias = bias.data();
          args.y = actual.view();
          norm_rows(args, GetParam());
          args.y = expected.view();
          norm_rows(args, reference_row());
          EXPECT_LT(relative_error(actual.values(), expected.values()), rounding(type));
          EXPECT_TRUE(actual.keeps_contract());
        }
      }
    }
  }
}

TEST_P(FastActOpsTest, ConvertsExactlyAsReference) {
  for (const ActType from : kFloatTypes) {
    for (const ActType to : kActTypes) {
      for (const std::int64_t width : {1, 15, 16, 31, 32, 33, 64, 100, 200, 1000}) {
        SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(to) +
                     " width " + std::to_string(width));
        const ActBuffer x(from, 5, width, random_floats(5 * width, 4, 3.0));
        ActBuffer actual(to, 5, width, 64), expected(to, 5, width);
        convert_rows({.rows = 5, .width = width, .x = x.view(), .y = actual.view()}, GetParam());
        convert_rows({.rows = 5, .width = width, .x = x.view(), .y = expected.view()},
                     reference_row());
        EXPECT_EQ(actual.values(), from == to ? x.values() : expected.values());
        EXPECT_TRUE(actual.keeps_contract());
        EXPECT_TRUE(to != ActType::kI8 || actual.scale() == expected.scale());
      }
    }
  }
}

TEST_P(ActOpsTest, RoundsToNearestEven) {
  // 1 + 2^-8 lies between two bfloat16 neighbours, 1 + 3 * 2^-8 too; ties go to the even one.
  const std::vector<float> values{1.00390625F, 1.01171875F, -1.00390625F, 1.00390637F};
  const ActBuffer x(ActType::kF32, 1, 4, values);
  ActBuffer y(ActType::kBf16, 1, 4);
  convert_rows({.rows = 1, .width = 4, .x = x.view(), .y = y.view()}, GetParam());
  EXPECT_EQ(y.values(), (std::vector{1.0F, 1.015625F, -1.0F, 1.0078125F}));

  const ActBuffer halves(ActType::kF32, 1, 5, std::vector{127.0F, 0.5F, 1.5F, -2.5F, -127.0F});
  ActBuffer q(ActType::kI8, 1, 5);
  convert_rows({.rows = 1, .width = 5, .x = halves.view(), .y = q.view()}, GetParam());
  EXPECT_EQ(q.values(), (std::vector{127.0F, 0.0F, 2.0F, -2.0F, -127.0F}));
}

TEST_P(ActOpsTest, QuantisesZeroTinyAndLargeRows) {
  for (const auto& [value, scale] : std::vector<std::array<float, 2>>{
           {0.0F, 1.0F}, {1e-38F, 1.0F}, {1e-28F, 1e-28F / 127.0F}, {3e38F, 3e38F / 127.0F}}) {
    const ActBuffer x(ActType::kF32, 1, 70, std::vector<float>(70, value));
    ActBuffer y(ActType::kI8, 1, 70);
    convert_rows({.rows = 1, .width = 70, .x = x.view(), .y = y.view()}, GetParam());
    EXPECT_EQ(y.scale()[0], scale);
    EXPECT_NEAR(y.at(0, 69) / scale, value > 1e-30F ? 127.0F : 0.0F, 1e-4F) << value;
  }
}

TEST_P(ActOpsTest, KeepsNanInItsRow) {
  for (const ActType type : kActTypes) {
    for (const std::size_t place : {0U, 40U, 98U}) {
      std::vector<float> values = random_floats(3 * 100, 1);
      values[100 + place] = kNan;
      const ActBuffer x(ActType::kF32, 3, 100, values);
      ActBuffer converted(type, 3, 100), normed(type, 3, 100);
      convert_rows({.rows = 3, .width = 100, .x = x.view(), .y = converted.view()}, GetParam());
      norm_rows({.rows = 3, .width = 100, .x = values.data(), .x_stride = 100, .y = normed.view()},
                GetParam());
      for (std::int64_t r = 0; r < 3; ++r) {
        EXPECT_EQ(std::isnan(normed.at(r, 7)), r == 1);
        EXPECT_EQ(std::isnan(converted.at(r, static_cast<std::int64_t>(place))), r == 1);
        EXPECT_EQ(std::isnan(converted.at(r, 7)), r == 1 && type == ActType::kI8);
      }
    }
  }
}

TEST_P(ActOpsTest, SpoilsInt8RowsOfInfinity) {
  std::vector<float> values(20, 1.0F);
  values[3] = HUGE_VALF;
  const ActBuffer x(ActType::kF32, 1, 20, values);
  ActBuffer y(ActType::kI8, 1, 20);
  convert_rows({.rows = 1, .width = 20, .x = x.view(), .y = y.view()}, GetParam());
  EXPECT_TRUE(std::isnan(y.at(0, 0)));  // infinity times zero
}

TEST_P(ActOpsTest, CutsAHandComputedImage) {
  // One channel, 3 x 3 pixels, patches of 2: the right and lower ones hang over the edge.
  const std::vector<float> image{1, 2, 3, 4, 5, 6, 7, 8, 9};
  ActBuffer y(ActType::kF32, 4, 4);
  patch_rows({.batch = 1,
              .channels = 1,
              .height = 3,
              .width = 3,
              .patch = 2,
              .images = image.data(),
              .y = y.view()},
             GetParam());
  const std::vector<float> expected{1, 2, 4, 5, 3, 0, 6, 0, 7, 8, 0, 0, 9, 0, 0, 0};
  EXPECT_EQ(y.values(), expected);
  const ActBuffer map(ActType::kF32, 9, 1, image);
  ActBuffer z(ActType::kF32, 4, 4);
  map_patches({.batch = 1,
               .height = 3,
               .width = 3,
               .channels = 1,
               .patch = 2,
               .map = map.view(),
               .y = z.view()},
              GetParam());
  EXPECT_EQ(z.values(), expected);
}

TEST_P(FastActOpsTest, CutsImagesAsReference) {
  for (const auto& [channels, height, width, patch] :
       std::vector<std::array<std::int64_t, 4>>{{3, 32, 48, 16},
                                                {3, 28, 28, 14},
                                                {1, 28, 28, 4},
                                                {3, 17, 30, 8},
                                                {2, 9, 5, 7},
                                                {3, 40, 40, 32}}) {
    const std::int64_t rows = 2 * ((height + patch - 1) / patch) * ((width + patch - 1) / patch);
    const std::int64_t size = channels * patch * patch;
    const auto images = random_floats(2 * channels * height * width, 5);
    for (const ActType type : kActTypes) {
      SCOPED_TRACE(::testing::PrintToString(type) + " patch " + std::to_string(patch));
      ActBuffer actual(type, rows, size, 64), expected(type, rows, size);
      PatchRows args{.batch = 2,
                     .channels = channels,
                     .height = height,
                     .width = width,
                     .patch = patch,
                     .images = images.data(),
                     .y = actual.view()};
      patch_rows(args, GetParam());
      args.y = expected.view();
      patch_rows(args, reference_row());
      EXPECT_EQ(actual.values(), expected.values());
      EXPECT_TRUE(actual.keeps_contract());
    }
  }
}

TEST_P(FastActOpsTest, CutsMapsAsReference) {
  for (const auto& [channels, height, width, patch] : std::vector<std::array<std::int64_t, 4>>{
           {64, 8, 8, 2}, {33, 7, 5, 2}, {20, 16, 17, 8}, {5, 4, 4, 4}, {96, 6, 6, 3}}) {
    const std::int64_t rows = 2 * ((height + patch - 1) / patch) * ((width + patch - 1) / patch);
    const std::int64_t size = channels * patch * patch;
    for (const ActType from : kFloatTypes) {
      const std::int64_t tokens = 2 * height * width;
      const ActBuffer map(from, tokens, channels, random_floats(tokens * channels, 6));
      for (const ActType type : kActTypes) {
        SCOPED_TRACE(::testing::PrintToString(from) + " to " + ::testing::PrintToString(type) +
                     " patch " + std::to_string(patch));
        ActBuffer actual(type, rows, size, 64), expected(type, rows, size);
        MapPatches args{.batch = 2,
                        .height = height,
                        .width = width,
                        .channels = channels,
                        .patch = patch,
                        .map = map.view(),
                        .y = actual.view()};
        map_patches(args, GetParam());
        args.y = expected.view();
        map_patches(args, reference_row());
        EXPECT_EQ(actual.values(), expected.values());
        EXPECT_TRUE(actual.keeps_contract());
      }
    }
  }
}

TEST_P(ActOpsTest, ConvolvesAHandComputedMap) {
  // One channel on a 2 x 2 map behind one class token. The taps weigh the left neighbour by 10 and
  // the one below by 100.
  const std::vector<float> x{kNan, 1.0F, 2.0F, 3.0F, 4.0F};
  const std::vector<float> weight{0, 0, 0, 10, 0, 0, 0, 100, 0}, bias{0.5F};
  std::vector<float> y(5, -1.0F);
  depthwise_rows({.batch = 1,
                  .height = 2,
                  .width = 2,
                  .channels = 1,
                  .x = x.data(),
                  .y = y.data(),
                  .stride = 1,
                  .rows_per_image = 5,
                  .first_row = 1,
                  .weight = weight.data(),
                  .bias = bias.data()},
                 GetParam());
  EXPECT_EQ(y, (std::vector{-1.0F, 301.5F, 412.5F, 3.5F, 34.5F}));
}

TEST_P(FastActOpsTest, ConvolvesAsReference) {
  for (const auto& [height, width, channels] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 5}, {1, 4, 16}, {5, 1, 40}, {7, 6, 33}, {14, 14, 64}}) {
    const std::int64_t rows = height * width + 2, stride = channels + 5;
    const auto x = random_floats(3 * rows * stride, 7);
    const auto weight = random_floats(9 * channels, 8), bias = random_floats(channels, 9);
    std::vector<float> actual(x.size(), 7.0F), expected(x.size(), 7.0F);
    DepthwiseRows args{.batch = 3,
                       .height = height,
                       .width = width,
                       .channels = channels,
                       .x = x.data(),
                       .y = actual.data(),
                       .stride = stride,
                       .rows_per_image = rows,
                       .first_row = 1,
                       .weight = weight.data(),
                       .bias = channels == 33 ? nullptr : bias.data()};
    depthwise_rows(args, GetParam());
    args.y = expected.data();
    depthwise_rows(args, reference_row());
    EXPECT_LT(relative_error(actual, expected), 1e-6) << height << "x" << width;
  }
}

TEST_P(ActOpsTest, GivesTheSameBytesForEveryThreadCount) {
  const auto x = random_floats(400 * 100, 1);
  std::vector<std::vector<std::uint8_t>> results;
  for (const int threads : {1, 2, 5}) {
    const ScopedThreads scope(threads);
    ActBuffer y(ActType::kI8, 400, 100);
    norm_rows({.rows = 400, .width = 100, .x = x.data(), .x_stride = 100, .y = y.view()},
              GetParam());
    results.push_back(y.bytes());
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(ActOpsTableTest, EndsWithTheReference) {
  EXPECT_EQ(act_ops(Isa::kReference).isa, Isa::kReference);
  EXPECT_EQ(act_ops_table().back().isa, Isa::kReference);
  for (const Isa isa : available_isas()) EXPECT_LE(act_ops(isa).isa, isa);
}

TEST(ActOpsCheckTest, RefusesWhatDoesNotFit) {
  std::vector<float> x(200), other(200);
  ActBuffer y(ActType::kBf16, 2, 20), q(ActType::kI8, 2, 20);
  const NormRows norm{.rows = 2, .width = 20, .x = x.data(), .x_stride = 20, .y = y.view()};
  EXPECT_NO_THROW(norm_rows(norm));
  const auto refused = [](auto args, auto change, auto function) {
    change(args);
    EXPECT_THROW(function(args), ShapeError);
  };
  const auto run_norm = [](const NormRows& a) { norm_rows(a); };
  refused(
      norm, [](NormRows& a) { a.x = nullptr; }, run_norm);
  refused(
      norm, [](NormRows& a) { a.x_stride = 19; }, run_norm);
  refused(
      norm, [](NormRows& a) { a.width = 0; }, run_norm);
  refused(
      norm, [](NormRows& a) { a.rows = -1; }, run_norm);
  refused(
      norm, [](NormRows& a) { a.y.stride = 31; }, run_norm);
  refused(
      norm, [](NormRows& a) { a.y.data = nullptr; }, run_norm);
  refused(
      norm, [&](NormRows& a) { (a.y = q.view()).scale = nullptr; }, run_norm);

  EXPECT_THROW(convert_rows({.rows = 2, .width = 20, .x = q.view(), .y = y.view()}),
               UnsupportedError);
  EXPECT_THROW(convert_rows({.rows = 2, .width = 40, .x = y.view(), .y = q.view()}), ShapeError);
  EXPECT_THROW(patch_rows({.batch = 1,
                           .channels = 1,
                           .height = 4,
                           .width = 4,
                           .patch = 0,
                           .images = x.data(),
                           .y = y.view()}),
               ShapeError);
  EXPECT_THROW(map_patches({.batch = 1,
                            .height = 4,
                            .width = 4,
                            .channels = 40,
                            .patch = 1,
                            .map = y.view(),
                            .y = q.view()}),
               ShapeError);
  const DepthwiseRows depthwise{.batch = 1,
                                .height = 2,
                                .width = 2,
                                .channels = 4,
                                .x = x.data(),
                                .y = other.data(),
                                .stride = 4,
                                .rows_per_image = 4,
                                .weight = x.data()};
  const auto run_depthwise = [](const DepthwiseRows& a) { depthwise_rows(a); };
  EXPECT_NO_THROW(run_depthwise(depthwise));
  refused(
      depthwise, [&](DepthwiseRows& a) { a.y = x.data(); }, run_depthwise);
  refused(
      depthwise, [](DepthwiseRows& a) { a.stride = 3; }, run_depthwise);
  refused(
      depthwise, [](DepthwiseRows& a) { a.first_row = 1; }, run_depthwise);
}

}  // namespace
}  // namespace conopa::kernels

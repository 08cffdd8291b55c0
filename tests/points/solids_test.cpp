#include "conopa/points/solids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa::points {
namespace {

Rng test_rng() { return {2, RngPurpose::kTest}; }

TEST(SampleSurfaceTest, DrawsByArea) {
  // A right triangle at z = 0 and one of three times its area at z = 1.
  const Mesh mesh{.vertices = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 3, 0, 1, 0, 1, 1},
                  .triangles = {{0, 1, 2}, {3, 4, 5}}};
  Rng rng = test_rng();
  const std::vector<float> points = sample_surface(mesh, 4000, rng);
  double high = 0.0;
  for (std::size_t i = 0; i < points.size(); i += 3) {
    high += double{points[i + 2]};
    EXPECT_GE(points[i], 0.0F);
    EXPECT_LE(points[i] / (points[i + 2] > 0.5F ? 3.0F : 1.0F) + points[i + 1], 1.0F + 1e-5F);
  }
  EXPECT_NEAR(high / 4000.0, 0.75, 0.03);  // four standard deviations
}

TEST(SampleSurfaceTest, RefusesAMeshWithoutArea) {
  const Mesh mesh{.vertices = {0, 0, 0, 1, 0, 0, 2, 0, 0}, .triangles = {{0, 1, 2}}};
  Rng rng = test_rng();
  EXPECT_THROW((void)sample_surface(mesh, 1, rng), ShapeError);
}

TEST(SolidTest, PointsOfTheSphereHaveItsRadius) {
  Rng rng = test_rng();
  const Mesh sphere = solid(0, rng);
  for (std::size_t i = 0; i < sphere.vertices.size(); i += 3) {
    EXPECT_NEAR(std::hypot(sphere.vertices[i], sphere.vertices[i + 1], sphere.vertices[i + 2]), 1.0,
                1e-6);
  }
}

TEST(SolidTest, EverySolidHasAnAreaAndStaysInItsBox) {
  for (std::int64_t kind = 0; kind < static_cast<std::int64_t>(solid_names().size()); ++kind) {
    Rng rng = test_rng();
    const std::vector<float> points = sample_surface(solid(kind, rng), 300, rng);
    EXPECT_THAT(points,
                ::testing::Each(::testing::AllOf(::testing::Ge(-1.2F), ::testing::Le(1.2F))))
        << solid_names()[static_cast<std::size_t>(kind)];
  }
}

TEST(MakeSolidsTest, IsAFunctionOfItsOptionsWithAnyThreads) {
  const SolidsOptions options{.clouds = 12, .points = 64, .seed = 3};
  const CloudSet set = make_solids(options);
  set.check();
  EXPECT_EQ(set.labels[11], 1);
  EXPECT_EQ(set.class_names.size(), 10U);
  const int before = num_threads();
  set_num_threads(1);
  EXPECT_EQ(make_solids(options).points.to_f32(), set.points.to_f32());
  set_num_threads(before);
  SolidsOptions other = options;
  other.split = 1;
  EXPECT_NE(make_solids(other).points.to_f32(), set.points.to_f32());
}

TEST(MakeSolidsTest, RefusesOptionsOutOfRange) {
  EXPECT_THROW((void)make_solids({.clouds = 0}), ConfigError);
  EXPECT_THROW((void)make_solids({.noise = -1.0}), ConfigError);
  EXPECT_THROW((void)make_solids({.cut = 0.9}), ConfigError);
}

}  // namespace
}  // namespace conopa::points

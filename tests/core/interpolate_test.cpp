#include "conopa/core/interpolate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "conopa/core/error.h"

namespace conopa {
namespace {

// A 4x4 grid and what PyTorch's bicubic interpolation to 6x6 makes of it.
const std::vector<float> kGrid = {-0.141544521F, 0.848587811F,  -0.20066987F,   0.1137105F,
                                  0.0120667871F, -0.451594144F, -0.0310744345F, -0.556742907F,
                                  0.199232653F,  0.0139269922F, -0.269959241F,  0.0184974335F,
                                  -0.183565333F, 0.0590224378F, 0.313829184F,   -0.280082852F};
const std::vector<float> kLarger = {
    -0.251782566F, 0.513615072F,  0.882731915F,  -0.0607322492F, -0.13207002F,   0.205529451F,
    -0.102870747F, 0.059565302F,  0.142958388F,  -0.0379237533F, -0.207741886F,  -0.291240811F,
    0.107288674F,  -0.260790467F, -0.475899398F, -0.0927715078F, -0.252956182F,  -0.567689061F,
    0.233235314F,  0.0835762769F, -0.13767828F,  -0.279397339F,  -0.185722411F,  -0.0295016468F,
    0.0206289422F, 0.0603030324F, 0.0746308565F, 0.0186865442F,  -0.0462163649F, -0.083496213F,
    -0.241076529F, -0.105200663F, 0.142140493F,  0.384284675F,   0.0575239025F,  -0.364204764F};

constexpr float kTolerance = 1e-6F;  // single precision, another order of additions

TEST(ResizePlanesTest, BicubicEqualsPyTorch) {
  const auto out = resize_planes(kGrid, 1, 4, 4, 6, 6, PlaneFilter::kBicubic);
  ASSERT_EQ(out.size(), kLarger.size());
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], kLarger[i], kTolerance) << i;
}

TEST(ResizePlanesTest, BilinearEqualsPyTorch) {
  // The example of torch.nn.Upsample.
  const std::vector<float> in = {1, 2, 3, 4};
  const std::vector<float> expected = {1.0F, 1.25F, 1.75F, 2.0F, 1.5F, 1.75F, 2.25F, 2.5F,
                                       2.5F, 2.75F, 3.25F, 3.5F, 3.0F, 3.25F, 3.75F, 4.0F};
  const auto out = resize_planes(in, 1, 2, 2, 4, 4, PlaneFilter::kBilinear);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(out[i], expected[i]) << i;
}

TEST(ResizePlanesTest, PlanesAreIndependentAndConstantsStay) {
  std::vector<float> planes = kGrid;
  planes.insert(planes.end(), 16, 3.5F);
  for (const PlaneFilter filter : {PlaneFilter::kBilinear, PlaneFilter::kBicubic}) {
    const auto both = resize_planes(planes, 2, 4, 4, 3, 9, filter);
    const auto first = resize_planes(kGrid, 1, 4, 4, 3, 9, filter);
    EXPECT_EQ(std::vector<float>(both.begin(), both.begin() + 27), first);
    for (std::size_t i = 27; i < 54; ++i) EXPECT_NEAR(both[i], 3.5F, 4 * kTolerance);
  }
}

TEST(ResizePlanesTest, SameSizeIsIdentity) {
  EXPECT_EQ(resize_planes(kGrid, 1, 4, 4, 4, 4, PlaneFilter::kBilinear), kGrid);
  EXPECT_EQ(resize_planes(kGrid, 1, 4, 4, 4, 4, PlaneFilter::kBicubic), kGrid);
}

TEST(ResizePlanesTest, RefusesSizesThatDoNotFit) {
  EXPECT_THROW(static_cast<void>(resize_planes(kGrid, 1, 4, 5, 2, 2, PlaneFilter::kBilinear)),
               ShapeError);
  EXPECT_THROW(static_cast<void>(resize_planes(kGrid, 1, 4, 4, 0, 2, PlaneFilter::kBilinear)),
               ShapeError);
}

TEST(ResizeGridTest, EqualsPlanesWithChannelsLast) {
  constexpr std::size_t kDepth = 3;
  std::vector<float> grid(kGrid.size() * kDepth);
  for (std::size_t i = 0; i < kGrid.size(); ++i) {
    for (std::size_t d = 0; d < kDepth; ++d) {
      grid[i * kDepth + d] = kGrid[i] * static_cast<float>(d + 1);
    }
  }
  const auto out = resize_grid_bicubic(grid, 4, 4, kDepth, 6, 6);
  for (std::size_t i = 0; i < kLarger.size(); ++i) {
    for (std::size_t d = 0; d < kDepth; ++d) {
      EXPECT_NEAR(out[i * kDepth + d], kLarger[i] * static_cast<float>(d + 1), 4 * kTolerance);
    }
  }
  const auto oblong = resize_grid_bicubic(kGrid, 2, 8, 1, 5, 3);
  EXPECT_EQ(oblong.size(), 15U);
}

TEST(ResizeGridTest, RefusesSizesThatDoNotFit) {
  EXPECT_THROW(static_cast<void>(resize_grid_bicubic(kGrid, 4, 4, 2, 6, 6)), ShapeError);
  EXPECT_THROW(static_cast<void>(resize_grid_bicubic(kGrid, 4, 4, 1, 6, 0)), ShapeError);
}

}  // namespace
}  // namespace conopa

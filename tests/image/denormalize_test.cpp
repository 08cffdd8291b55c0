#include "conopa/image/denormalize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/image/transform.h"

namespace conopa::image {
namespace {

TEST(DenormalizeTest, UndoesTheTransform) {
  Image image(3, 2, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(i * 15);
  }
  EvalTransformOptions options;
  options.height = 2;
  options.width = 3;
  options.mode = EvalMode::kSquash;
  HostTensor tensor = HostTensor::zeros(DType::kF32, {3, 2, 3});
  Rng rng(0, RngPurpose::kTest);
  make_eval_transform(options)->apply(image, rng, tensor.mutable_data<float>());
  EXPECT_EQ(denormalize(tensor, options.mean, options.std), image);
}

TEST(DenormalizeTest, CutsOffWhatNoPixelCanShow) {
  const std::vector<float> values{-9.0F, 9.0F, 0.0F, std::nanf("")};
  const HostTensor tensor = HostTensor::of<float>(DType::kF32, {1, 2, 2}, values);
  EXPECT_EQ(denormalize(tensor, {0.5}, {0.25}).pixels, (std::vector<std::uint8_t>{0, 255, 128, 0}));
}

TEST(DenormalizeTest, RefusesWhatIsNoPicture) {
  EXPECT_THROW(static_cast<void>(denormalize(HostTensor::zeros(DType::kF32, {2, 4, 4}), {0}, {1})),
               ShapeError);
  EXPECT_THROW(static_cast<void>(denormalize(HostTensor::zeros(DType::kF32, {4, 4}), {0}, {1})),
               ShapeError);
}

}  // namespace
}  // namespace conopa::image

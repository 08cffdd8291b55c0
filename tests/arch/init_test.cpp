#include "conopa/arch/init.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

// Eight channels: frequencies 1 and 1/100 for each axis.
void expect_row(const std::vector<float>& values, std::size_t row, double first, double second) {
  const double expected[] = {std::sin(first),       std::sin(first / 100), std::cos(first),
                             std::cos(first / 100), std::sin(second),      std::sin(second / 100),
                             std::cos(second),      std::cos(second / 100)};
  for (std::size_t c = 0; c < 8; ++c) EXPECT_NEAR(values[row * 8 + c], expected[c], 1e-6) << c;
}

TEST(SinCosTest, FirstHalfOfAnEncodersChannelsIsTheColumn) {
  EncoderSpec spec = plane_spec(16, 24);
  spec.class_token = ClassToken::kFront;
  spec.position = Position::kSinCos;
  spec.resolve();
  const TensorEntry entry = *TensorTable(spec).find(names::kPosition);
  EXPECT_FALSE(entry.trainable);
  const std::vector<float> values = initial_tensor(entry, 0).to_f32();
  for (std::size_t c = 0; c < 8; ++c) EXPECT_EQ(values[c], 0.0F);  // class row
  expect_row(values, 1 + 5, 2.0, 1.0);                             // column 2, row 1
}

TEST(SinCosTest, FirstHalfOfADecodersChannelsIsTheRow) {
  EncoderSpec spec = plane_spec(16, 24);
  spec.class_token = ClassToken::kLate;
  spec.num_classes = 0;
  spec.decoder = Decoder::kMae;
  spec.decoder_dim = 8;
  spec.decoder_heads = 2;
  spec.resolve();
  const TensorEntry entry = *TensorTable(spec).find(names::kDecoderPosition);
  ASSERT_EQ(entry.shape, (Shape{1, 7, 8}));
  const std::vector<float> values = initial_tensor(entry, 0).to_f32();
  for (std::size_t c = 0; c < 8; ++c) EXPECT_EQ(values[c], 0.0F);
  expect_row(values, 1 + 5, 1.0, 2.0);
}

TEST(InitialTensorTest, DependsOnSeedAndNameAlone) {
  EncoderSpec spec = pyramid_spec();
  spec.resolve();
  const TensorTable table(spec);
  const TensorEntry& a = *table.find("blocks.0.0.attn.qkv.weight");
  const TensorEntry& b = *table.find("blocks.0.2.attn.qkv.weight");
  EXPECT_EQ(initial_tensor(a, 1).to_f32(), initial_tensor(a, 1).to_f32());
  EXPECT_NE(initial_tensor(a, 1).to_f32(), initial_tensor(a, 2).to_f32());
  EXPECT_NE(initial_tensor(a, 1).to_f32(), initial_tensor(b, 1).to_f32());
}

TEST(InitialTensorTest, ConvolutionsOfPyramidsFollowTheirFanOut) {
  const TensorTable table(resolved("visionllama_pyramid_small_224"));
  const TensorEntry& weight = *table.find("patch_embeds.0.proj.weight");
  EXPECT_EQ(weight.init, Init::kNormal);
  EXPECT_DOUBLE_EQ(weight.value, std::sqrt(2.0 / (4 * 4 * 64)));
  EXPECT_EQ(table.find("patch_embeds.0.proj.bias")->init, Init::kConstant);
}

}  // namespace
}  // namespace conopa::arch

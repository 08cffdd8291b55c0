#include "conopa/nn/masked_autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/patch_pixels.h"

namespace conopa::nn {
namespace {

using arch::ClassToken;

arch::EncoderSpec small_spec(ClassToken token) {
  arch::EncoderSpec spec;
  spec.height = 12;
  spec.width = 16;
  spec.patch = 4;
  spec.dim = 24;
  spec.heads = 3;
  spec.depth = 2;
  spec.num_classes = 0;
  spec.mlp_hidden = 40;
  spec.mask = arch::Mask::kBidirectional;
  spec.rotary = arch::Rotary::kPlane;
  spec.class_token = token;
  spec.read_out = arch::ReadOut::kMean;
  spec.decoder = arch::Decoder::kMae;
  spec.decoder_dim = 16;
  spec.decoder_depth = 2;
  spec.decoder_heads = 2;
  spec.decoder_mlp_ratio = 2.0;
  spec.resolve();
  return spec;
}

at::Tensor random_tensor(const Shape& shape, std::uint64_t index) {
  Rng rng(7, RngPurpose::kTest, 0, index);
  HostTensor out = HostTensor::zeros(DType::kF32, shape);
  for (float& value : out.mutable_data<float>()) value = static_cast<float>(rng.normal());
  return to_torch(out);
}

MaskedAutoencoder small_model(const arch::EncoderSpec& spec) {
  MaskedAutoencoder model{Encoder(spec)};
  model.parameters().initialize(1);
  const at::NoGradGuard no_grad;
  std::uint64_t index = 100;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    // Fixed positions stay fixed.
    if (!model.parameters().table().entries()[i].trainable) continue;
    at::Tensor tensor = model.parameters().tensors()[i];
    tensor.copy_(random_tensor(tensor.sizes().vec(), index++) * 0.3 + 0.1);
  }
  return model;
}

struct Fixture {
  arch::EncoderSpec spec;
  MaskedAutoencoder model;
  at::Tensor images;
  PatchMask mask;

  explicit Fixture(ClassToken token)
      : spec(small_spec(token)),
        model(small_model(spec)),
        images(random_tensor({2, 3, 12, 16}, 1)),
        mask(mask_patches(random_tensor({2, 12}, 2), 4)) {}

  [[nodiscard]] at::Tensor predict(const ForwardOptions& options = {}) const {
    return model.decode(model.encode(images, mask, options), mask.restore, options);
  }
  [[nodiscard]] at::Tensor loss(const ForwardOptions& options) const {
    return removed_patch_error(predict(options), patch_pixels(images, spec.patch), mask.removed);
  }
  [[nodiscard]] std::vector<at::Tensor> gradients(const ForwardOptions& options) {
    model.parameters().zero_grad();
    loss(options).backward();
    std::vector<at::Tensor> out;
    for (const at::Tensor& tensor : model.parameters().tensors()) out.push_back(tensor.grad());
    return out;
  }
};

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>() / (b.abs().max().item<double>() + 1e-12);
}

class ClassTokenVariantsTest : public testing::TestWithParam<ClassToken> {};

TEST_P(ClassTokenVariantsTest, PredictsEveryPatchFromTheVisibleOnes) {
  const Fixture f(GetParam());
  const std::int64_t token = GetParam() == ClassToken::kNone ? 0 : 1;
  EXPECT_EQ(f.model.encode(f.images, f.mask, {}).size(1), 4 + token);
  EXPECT_EQ(f.predict().sizes(), (std::vector<std::int64_t>{2, 12, 48}));
}

TEST_P(ClassTokenVariantsTest, RemovedPixelsChangeNothing) {
  const Fixture f(GetParam());
  const at::Tensor removed = f.mask.removed.unsqueeze(2);
  const at::Tensor pixels = patch_pixels(f.images, f.spec.patch);
  const at::Tensor other = images_of_patches(pixels + 9.0 * removed, f.spec);
  const at::Tensor a = f.predict();
  const at::Tensor b = f.model.decode(f.model.encode(other, f.mask, {}), f.mask.restore, {});
  EXPECT_TRUE(at::equal(a, b));
}

// Swapping the shuffled order of visible patches must not change what any place gets.
TEST_P(ClassTokenVariantsTest, TheOrderOfVisiblePatchesDoesNotMatter) {
  const Fixture f(GetParam());
  const at::Tensor noise = f.mask.restore.to(at::kFloat);
  // Visible places 0..3 become 3..0; the removed ones stay.
  const at::Tensor turned = at::where(noise < 4, 3 - noise, noise);
  const PatchMask other = mask_patches(turned, 4);
  EXPECT_FALSE(at::equal(other.visible, f.mask.visible));
  const at::Tensor b = f.model.decode(f.model.encode(f.images, other, {}), other.restore, {});
  EXPECT_LT(difference(b, f.predict()), 1e-5);
}

TEST_P(ClassTokenVariantsTest, FusedGradientsEqualStock) {
  Fixture f(GetParam());
  for (const bool checkpointed : {false, true}) {
    ForwardOptions options;
    options.training = true;
    options.exec.ops = Ops::kStock;
    const std::vector<at::Tensor> expected = f.gradients(options);
    options.exec.ops = Ops::kFused;
    options.checkpoint_blocks = checkpointed;
    const std::vector<at::Tensor> found = f.gradients(options);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const arch::TensorEntry& entry = f.model.parameters().table().entries()[i];
      ASSERT_EQ(expected[i].defined(), entry.trainable) << entry.name;
      if (!entry.trainable) continue;
      // float32 sums in another order
      EXPECT_LT(difference(found[i], expected[i]), 2e-4) << entry.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(ClassTokens, ClassTokenVariantsTest,
                         testing::Values(ClassToken::kNone, ClassToken::kFront, ClassToken::kBack,
                                         ClassToken::kLate));

TEST(MaskedAutoencoderTest, ALateClassTokenSeesNoBlock) {
  const Fixture f(ClassToken::kLate);
  const at::Tensor latent = f.model.encode(f.images, f.mask, {});
  // It is the same for every image, and the patches do not notice it.
  EXPECT_TRUE(at::equal(latent[0][0], latent[1][0]));
  const at::NoGradGuard no_grad;
  f.model.parameters().require(arch::names::kClassToken).add_(1.0);
  const at::Tensor changed = f.model.encode(f.images, f.mask, {});
  EXPECT_TRUE(at::equal(changed.narrow(1, 1, 4), latent.narrow(1, 1, 4)));
  EXPECT_FALSE(at::equal(changed[0][0], latent[0][0]));
}

TEST(MaskedAutoencoderTest, StochasticDepthSparesTheDecoder) {
  const Fixture f(ClassToken::kLate);
  ForwardOptions options;
  const at::Tensor latent = f.model.encode(f.images, f.mask, options);
  const at::Tensor expected = f.model.decode(latent, f.mask.restore, options);
  options.training = true;
  options.drop_path = 0.9;
  EXPECT_TRUE(at::equal(f.model.decode(latent, f.mask.restore, options), expected));
}

TEST(MaskedAutoencoderTest, CapturesTheDecodersBlocksUnderTheirOwnNames) {
  const Fixture f(ClassToken::kFront);
  Capture capture;
  ForwardOptions options;
  options.capture = &capture;
  static_cast<void>(f.predict(options));
  EXPECT_EQ(capture.at("block1_out").sizes(), (std::vector<std::int64_t>{2, 5, 24}));
  EXPECT_EQ(capture.at("decoder_block1_out").sizes(), (std::vector<std::int64_t>{2, 13, 16}));
}

TEST(MaskedAutoencoderTest, NeedsADecoder) {
  arch::EncoderSpec spec = small_spec(ClassToken::kNone);
  spec.decoder = arch::Decoder::kNone;
  EXPECT_THROW(MaskedAutoencoder{Encoder(spec)}, ConfigError);
}

}  // namespace
}  // namespace conopa::nn

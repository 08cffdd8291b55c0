// Encoders of point clouds: embedding, positions, read-out and head.

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <gmock/gmock.h>

#include <limits>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/points/grouping.h"
#include "tests/core/thrown.h"
#include "tests/nn/encoder_testing.h"

namespace conopa::nn {
namespace {

using ::testing::HasSubstr;

arch::EncoderSpec point_spec() {
  arch::EncoderSpec spec = arch::preset_spec("point_bert_small");
  spec.dim = 24;
  spec.heads = 3;
  spec.depth = 2;
  spec.width = 6;
  spec.num_classes = 5;
  spec.point.count = 20;
  spec.point.group = 4;
  spec.point.width = 16;
  spec.head_hidden = 12;
  spec.resolve();
  return spec;
}

class PointEncoderTest : public ::testing::Test {
 protected:
  PointEncoderTest() : encoder_(point_spec()), clouds_(random_tensor({3, 20, 3}, 1)) {
    randomise(encoder_);
    const at::NoGradGuard no_grad;
    for (const char* name : {"norm1", "norm2"}) {  // variances are positive
      parameter(fmt_layer(name) + ".running_var").abs_().add_(0.5);
    }
  }

  static std::string fmt_layer(const std::string& name) { return "point_embed." + name; }
  [[nodiscard]] at::Tensor parameter(const std::string& name) const {
    return encoder_.parameters().require(name);
  }
  [[nodiscard]] at::Tensor conv(const std::string& name, const at::Tensor& x) const {
    return at::conv1d(x, parameter(fmt_layer(name) + ".weight"),
                      parameter(fmt_layer(name) + ".bias"));
  }
  [[nodiscard]] at::Tensor norm(const std::string& name, const at::Tensor& x) const {
    const std::string prefix = fmt_layer(name);
    return at::batch_norm(x, parameter(prefix + ".weight"), parameter(prefix + ".bias"),
                          parameter(prefix + ".running_mean"), parameter(prefix + ".running_var"),
                          false, 0.1, 1e-5, false);
  }

  Encoder encoder_;
  at::Tensor clouds_;
};

TEST_F(PointEncoderTest, GroupTokensAreThoseOfThePlainPointNet) {
  Capture capture;
  ForwardOptions options;
  options.capture = &capture;
  static_cast<void>(encoder_.forward(clouds_, options));
  const points::Groups groups = points::group_points(floats(clouds_), 3, {.groups = 6, .size = 4});
  const at::Tensor rows =
      to_torch(HostTensor::of<float>(DType::kF32, {18, 4, 3}, groups.neighbourhoods));
  // The network as the paper's code has it: channels first, the maximum in front of every point.
  const at::Tensor local = conv("conv2", norm("norm1", conv("conv1", rows.transpose(1, 2))).relu());
  const at::Tensor global = std::get<0>(local.max(2, true));
  const at::Tensor joined = at::cat({global.expand({-1, -1, 4}), local}, 1);
  const at::Tensor expected =
      std::get<0>(conv("conv4", norm("norm2", conv("conv3", joined)).relu()).max(2));
  EXPECT_LT(difference(capture.at("group_tokens").view({18, 16}), expected), 1e-5);
}

TEST_F(PointEncoderTest, PositionsAreAddedBeforeEveryBlock) {
  Capture capture;
  ForwardOptions options;
  options.capture = &capture;
  static_cast<void>(encoder_.forward(clouds_, options));
  // Blocks that add nothing leave the tokens and one position for each of them.
  {
    const at::NoGradGuard no_grad;
    for (std::int64_t i = 0; i < 2; ++i) {
      for (const auto layer : {arch::names::kProj, arch::names::kDown}) {
        parameter(arch::names::block(i, layer) + ".weight").zero_();
        parameter(arch::names::block(i, layer) + ".bias").zero_();
      }
    }
  }
  static_cast<void>(encoder_.forward(clouds_, options));
  const at::Tensor expected = capture.at("tokens_in") + 2.0 * capture.at("positions");
  EXPECT_LT(difference(capture.at("block1_out"), expected), 1e-5);
}

TEST_F(PointEncoderTest, ReadsTheClassTokenAndTheMaximumOfTheGroups) {
  Capture capture;
  ForwardOptions options;
  options.capture = &capture;
  const at::Tensor features = encoder_.forward(clouds_, options).features;
  const at::Tensor tokens = capture.at("final_norm");
  EXPECT_EQ(features.sizes().vec(), (Shape{3, 48}));
  EXPECT_LT(difference(features.narrow(1, 0, 24), tokens.select(1, 0)), 1e-6);
  EXPECT_LT(difference(features.narrow(1, 24, 24), std::get<0>(tokens.narrow(1, 1, 6).max(1))),
            1e-6);
}

TEST_F(PointEncoderTest, OrderOfThePointsBehindTheFirstDoesNotMatter) {
  const at::Tensor flipped =
      at::cat({clouds_.narrow(1, 0, 1), clouds_.narrow(1, 1, 19).flip(1)}, 1).contiguous();
  EXPECT_LT(difference(encoder_.forward(flipped, {}).logits, encoder_.forward(clouds_, {}).logits),
            1e-5);
}

TEST_F(PointEncoderTest, TakesAnyNumberOfPointsThatFillsTheGroups) {
  const at::Tensor more = at::cat({clouds_, clouds_ * 0.5}, 1);
  EXPECT_EQ(encoder_.forward(more, {}).logits.sizes().vec(), (Shape{3, 5}));
  EXPECT_THAT(testing::message_of<ShapeError>(
                  [&] { return encoder_.forward(clouds_.narrow(1, 0, 5), {}); }),
              HasSubstr("at least 6 points (6 groups of 4), found [3, 5, 3]"));
}

TEST_F(PointEncoderTest, RefusesNumbersThatAreNotFinite) {
  clouds_[1][2][0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(testing::message_of<FormatError>([&] { return encoder_.forward(clouds_, {}); }),
              HasSubstr("expected finite coordinates"));
}

TEST_F(PointEncoderTest, TrainingUpdatesTheStatisticsAndReachesEveryTensor) {
  const at::Tensor mean = parameter("point_embed.norm1.running_mean").clone();
  const double batches = parameter("point_embed.norm1.num_batches_tracked").item<double>();
  ForwardOptions options;
  options.training = true;
  options.drop_path = 0.0;
  encoder_.forward(clouds_, options).logits.pow(2).sum().backward();
  EXPECT_GT((parameter("point_embed.norm1.running_mean") - mean).abs().max().item<double>(), 1e-4);
  EXPECT_NEAR(parameter("point_embed.norm1.num_batches_tracked").item<double>(), batches + 1.0,
              1e-5);
  for (std::size_t i = 0; i < encoder_.parameters().size(); ++i) {
    const arch::TensorEntry& entry = encoder_.parameters().table().entries()[i];
    if (!entry.trainable) continue;
    EXPECT_TRUE(encoder_.parameters().tensors()[i].grad().defined()) << entry.name;
  }
}

TEST_F(PointEncoderTest, HeadDropoutIsAFunctionOfTheStep) {
  ForwardOptions options;
  options.training = true;
  options.drop_path = 0.0;
  const auto logits = [&](std::uint64_t step) {
    options.random = {.seed = 1, .step = step};
    return encoder_.forward(clouds_, options).logits;
  };
  EXPECT_EQ(difference(logits(1), logits(1)), 0.0);
  EXPECT_GT(difference(logits(1), logits(2)), 1e-3);
}

}  // namespace
}  // namespace conopa::nn

#include "conopa/train/probe_grid.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/nn/attention_pool.h"
#include "conopa/nn/convert.h"
#include "conopa/train/adamw.h"
#include "conopa/train/gradients.h"
#include "conopa/train/trainable.h"

namespace conopa::train {
namespace {

constexpr std::int64_t kImages = 12;

arch::EncoderSpec probed(arch::ReadOut read_out, std::int64_t queries = 1) {
  arch::EncoderSpec spec;
  spec.channels = 1;
  spec.height = spec.width = 8;
  spec.patch = 4;
  spec.dim = 16;
  spec.depth = 1;
  spec.heads = 2;
  spec.mlp_multiple_of = 16;
  spec.class_token = arch::ClassToken::kNone;
  spec.mask = arch::Mask::kBidirectional;
  spec.num_classes = 3;
  spec.read_out = read_out;
  spec.pool_queries = queries;
  spec.head_norm = arch::HeadNorm::kBatch;
  spec.head_bias = read_out == arch::ReadOut::kMean;
  spec.resolve();
  return spec;
}

at::Tensor random(std::vector<std::int64_t> shape, std::uint64_t seed) {
  at::Tensor out = nn::to_torch(HostTensor::zeros(DType::kF32, shape));
  Rng rng(seed, RngPurpose::kTest);
  for (float& value : nn::floats(out)) value = static_cast<float>(rng.normal(1.0, 2.0));
  return out;
}

at::Tensor labels() {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < kImages; ++i) all.push_back(i % 3);
  return at::tensor(all);
}

constexpr ProbeTraining kTraining{
    .epochs = 4, .steps_per_epoch = 1, .lr_min = 1.0, .clip_grad = 0.5, .seed = 7};

/// The same head made of the executor's own pieces and the trainer's optimiser.
class Reference {
 public:
  Reference(const arch::EncoderSpec& spec, const ProbeSetting& setting)
      : spec_(spec), setting_(setting), parameters_(arch::TensorTable(spec)) {
    parameters_.initialize(kTraining.seed);
    apply_trainable(parameters_, Trainable::kHead);
    optimizer_ = std::make_unique<AdamW>(parameters_, OptimOptions{});
  }

  void step(const at::Tensor& tokens) {
    parameters_.zero_grad();
    nn::label_cross_entropy(logits(tokens, true), labels(), 0.0, {}).backward();
    const double norm = gradient_norm(parameters_).item<double>();
    optimizer_->step(setting_.lr, setting_.weight_decay, clip_factor(norm, kTraining.clip_grad));
  }
  [[nodiscard]] at::Tensor logits(const at::Tensor& tokens, bool training) const {
    const nn::ProbeStatistics statistics = nn::probe_statistics(parameters_);
    at::Tensor features;
    if (spec_.read_out == arch::ReadOut::kAttention) {
      const at::Tensor rows = nn::probe_norm(tokens.reshape({-1, spec_.dim}), statistics, training);
      features = nn::attention_pool(rows.view(tokens.sizes()),
                                    nn::pool_parameters(parameters_, spec_.heads), {});
    } else {
      features = nn::probe_norm(tokens.mean(1), statistics, training);
    }
    return nn::linear(features, parameters_.require("head.weight"), parameters_.get("head.bias"),
                      {});
  }
  [[nodiscard]] const nn::Parameters& parameters() const { return parameters_; }

 private:
  arch::EncoderSpec spec_;
  ProbeSetting setting_;
  nn::Parameters parameters_;
  std::unique_ptr<AdamW> optimizer_;
};

class ProbeGridTest : public ::testing::TestWithParam<arch::EncoderSpec> {};

TEST_P(ProbeGridTest, TrainsEveryHeadAsItWouldBeAlone) {
  const std::vector<ProbeSetting> settings{{1e-2, 0.05}, {3e-2, 0.0}, {1e-3, 0.5}};
  ProbeGrid grid(GetParam(), settings, kTraining);
  for (std::uint64_t step = 0; step < 4; ++step)
    grid.step(random({kImages, 4, 16}, step), labels());
  const at::Tensor unseen = random({5, 4, 16}, 99);
  const at::Tensor found = grid.logits(unseen);

  for (std::int64_t g = 0; g < grid.size(); ++g) {
    SCOPED_TRACE(g);
    Reference alone(GetParam(), settings[static_cast<std::size_t>(g)]);
    for (std::uint64_t step = 0; step < 4; ++step) alone.step(random({kImages, 4, 16}, step));

    // The products are ordered otherwise: rounding of float32, through four steps of AdamW.
    const at::Tensor expected = alone.logits(unseen, false).detach();
    EXPECT_LT((found.select(0, g) - expected).abs().max().item<double>(), 2e-4);
    for (const auto& [name, tensor] : grid.head(g)) {
      const at::Tensor own = nn::to_torch(tensor);
      EXPECT_LT((own - alone.parameters().require(name).detach()).abs().max().item<double>(), 2e-4)
          << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, ProbeGridTest,
                         ::testing::Values(probed(arch::ReadOut::kAttention),
                                           probed(arch::ReadOut::kAttention, 3),
                                           probed(arch::ReadOut::kMean)));

TEST(ProbeGridSettingsTest, NeighboursDoNotMatter) {
  const arch::EncoderSpec spec = probed(arch::ReadOut::kAttention);
  ProbeGrid wild(spec, {{1e-3, 0.1}, {1e30, 0.0}}, kTraining);
  ProbeGrid calm(spec, {{1e-3, 0.1}, {1e-4, 0.0}}, kTraining);
  for (std::uint64_t step = 0; step < 3; ++step) {
    wild.step(random({kImages, 4, 16}, step), labels());
    calm.step(random({kImages, 4, 16}, step), labels());
  }

  const at::Tensor unseen = random({5, 4, 16}, 99);
  EXPECT_TRUE(wild.logits(unseen).select(0, 0).equal(calm.logits(unseen).select(0, 0)));
}

TEST(ProbeGridSettingsTest, RefusesOtherHeads) {
  arch::EncoderSpec spec = probed(arch::ReadOut::kAttention);
  spec.head_norm = arch::HeadNorm::kNone;

  EXPECT_THROW(ProbeGrid(spec, {{}}, kTraining), ConfigError);
  EXPECT_THROW(ProbeGrid(probed(arch::ReadOut::kMean), {}, kTraining), ConfigError);
}

}  // namespace
}  // namespace conopa::train

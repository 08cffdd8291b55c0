#include "conopa/train/probe.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"
#include "conopa/nn/convert.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

arch::EncoderSpec pretrained_spec() {
  arch::EncoderSpec spec = toy_config("none").model.spec;
  spec.class_token = arch::ClassToken::kNone;
  spec.position = arch::Position::kSinCos;  // the classes are places
  spec.mask = arch::Mask::kPrefixCausal;
  spec.read_out = arch::ReadOut::kMean;
  spec.decoder = arch::Decoder::kNextPatch;
  spec.decoder_dim = 16;
  spec.decoder_depth = 1;
  spec.decoder_heads = 2;
  spec.num_classes = 0;
  spec.resolve();
  return spec;
}

/// A frozen random encoder on toy images; their classes are easy.
class ProbeTest : public ::testing::TestWithParam<ProbeHead> {
 protected:
  ProbeTest() : encoder_(probed_encoder(pretrained_spec())) {
    encoder_.parameters().initialize(3);
    probe_.head = GetParam();
    probe_.layers = {{1}, {0, 1}, {}};
    probe_.lr = {1e-4, 3e-2};
    probe_.weight_decay = {0.05};
    probe_.epochs = 30;
    probe_.batch = 32;
    features_.folder = folder_ / "cache";
    features_.transform = toy_config("none").eval_transform;
    features_.means = probe_.head == ProbeHead::kLinear;
    features_.dtype = DType::kF32;
    const std::vector<FeatureFile> train =
        cached_features(encoder_, toy_dataset(512, 1), probe_.layers, features_);
    const std::vector<FeatureFile> eval =
        cached_features(encoder_, toy_dataset(40, 2), probe_.layers, features_);
    for (std::size_t i = 0; i < train.size(); ++i) all_.push_back({train[i], eval[i]});
  }
  [[nodiscard]] ProbeOutcome run() const { return run_probe(encoder_.spec(), 4, all_, probe_, {}); }

  TestFolder folder_;
  nn::Encoder encoder_;
  ProbeOptions probe_;
  FeatureOptions features_;
  std::vector<ProbeFeatures> all_;
};

TEST_P(ProbeTest, LearnsAndPicksTheBest) {
  const ProbeOutcome outcome = run();

  ASSERT_EQ(outcome.rows.size(), 6U);
  const ProbeRow& best = outcome.rows[outcome.best];
  // The classes are places, which the mean token of a random encoder hardly tells; chance is 0.25.
  EXPECT_GT(best.result.top1, GetParam() == ProbeHead::kAttention ? 0.9 : 0.45);
  EXPECT_EQ(best.setting.lr, 3e-2);
  for (const ProbeRow& row : outcome.rows) EXPECT_LE(row.result.top1, best.result.top1);
  EXPECT_EQ(outcome.spec.read_blocks, best.layers);
}

TEST_P(ProbeTest, TheSameSeedGivesTheSameHead) {
  const ProbeOutcome a = run();
  const ProbeOutcome b = run();

  for (const auto& [name, tensor] : a.head) {
    EXPECT_EQ(tensor.to_f32(), b.head.at(name).to_f32()) << name;
  }
}

TEST_P(ProbeTest, TheModelWithTheHeadSaysWhatTheProbeSaid) {
  const ProbeOutcome outcome = run();
  nn::Encoder model(outcome.spec);
  const nn::Parameters::Source both = [&](const std::string& name) -> std::optional<HostTensor> {
    if (outcome.head.contains(name)) return outcome.head.at(name);
    return nn::to_host(encoder_.parameters().require(name).detach());
  };
  model.parameters().load(both, nn::LoadPolicy::kStrict, "test");

  tasks::ClassifyTask task(std::move(model));
  data::SamplerOptions order;
  order.order = data::SampleOrder::kSequential;
  const data::OpenedDataset opened = toy_dataset(40, 2);
  data::Loader loader(opened.dataset, image::make_eval_transform(features_.transform),
                      data::Sampler(order, 40), {.batch = 8});
  const tasks::Evaluation evaluation = task.evaluate(loader, {});
  const eval::ClassificationResult& expected = outcome.rows[outcome.best].result;
  EXPECT_EQ(evaluation.value("top1"), expected.top1);
  EXPECT_NEAR(evaluation.value("loss"), expected.loss, 1e-4);
}

TEST_P(ProbeTest, HeadFilesHaveTheReleasedNames) {
  const ProbeOutcome outcome = run();
  write_probe_head(folder_ / "head.safetensors", outcome.head, {});

  const auto file = SafetensorsFile::open(folder_ / "head.safetensors");
  if (GetParam() == ProbeHead::kAttention) {
    EXPECT_THAT(file->names(),
                UnorderedElementsAre("head.cls_token", "head.k.weight", "head.v.weight",
                                     "head.linear.weight", "head.bn.running_mean",
                                     "head.bn.running_var", "head.bn.num_batches_tracked"));
    EXPECT_EQ(file->info("head.cls_token").shape, (Shape{1, 1, 16}));
  } else {
    EXPECT_THAT(file->names(), UnorderedElementsAre("head.linear.weight", "head.linear.bias",
                                                    "head.bn.running_mean", "head.bn.running_var",
                                                    "head.bn.num_batches_tracked"));
  }
  EXPECT_EQ(file->read("head.bn.num_batches_tracked").to_i64(), std::vector<std::int64_t>{480});
  EXPECT_EQ(file->info("head.bn.num_batches_tracked").dtype, DType::kI64);
}

INSTANTIATE_TEST_SUITE_P(Heads, ProbeTest,
                         ::testing::Values(ProbeHead::kAttention, ProbeHead::kLinear));

TEST(ProbeSpecTest, APretrainedModelIsProbedWithoutPrefixesAndDecoder) {
  const arch::EncoderSpec spec = probed_encoder(pretrained_spec());
  EXPECT_EQ(spec.mask, arch::Mask::kBidirectional);
  EXPECT_EQ(spec.decoder, arch::Decoder::kNone);

  const arch::EncoderSpec model = probed_model(spec, {}, {0, 1}, 4);
  EXPECT_EQ(model.read_blocks, (LayerList{0, 1}));
  EXPECT_EQ(model.head_norm, arch::HeadNorm::kBatch);
  EXPECT_FALSE(model.head_bias);
  EXPECT_THROW(static_cast<void>(probed_model(spec, {}, {2}, 4)), ConfigError);
}

TEST(ProbeOptionsTest, RefusesWhatCannotRun) {
  const auto message = [](const auto& change) -> std::string {
    ProbeOptions options;
    change(options);
    try {
      options.validate();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message([](ProbeOptions& o) { o.lr = {0.0}; }), HasSubstr("learning rates"));
  EXPECT_THAT(message([](ProbeOptions& o) { o.weight_decay = {-1.0}; }), HasSubstr("decays"));
  EXPECT_THAT(message([](ProbeOptions& o) { o.batch = 1; }), HasSubstr("batch"));
  EXPECT_THAT(message([](ProbeOptions& o) { o.warmup_epochs = 11; }), HasSubstr("warm-up"));
  EXPECT_THAT(message([](ProbeOptions& o) { o.queries = 0; }), HasSubstr("queries"));
}

}  // namespace
}  // namespace conopa::train

#include "conopa/train/feature_cache.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/nn/convert.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

arch::EncoderSpec toy_encoder_spec() {
  arch::EncoderSpec spec = toy_config("none").model.spec;
  spec.depth = 3;
  spec.num_classes = 0;
  spec.read_out = arch::ReadOut::kMean;
  spec.class_token = arch::ClassToken::kNone;
  spec.mask = arch::Mask::kBidirectional;
  spec.resolve();
  return spec;
}

class FeatureCacheTest : public ::testing::Test {
 protected:
  FeatureCacheTest() : encoder_(toy_encoder_spec()) {
    encoder_.parameters().initialize(3);
    options_.folder = folder_ / "cache";
    options_.transform = toy_config("none").eval_transform;
    options_.dtype = DType::kF32;
    options_.batch = 7;
    options_.progress = [this](std::int64_t, std::int64_t) { ++passes_; };
  }
  [[nodiscard]] std::vector<FeatureFile> cached(const std::vector<LayerList>& lists) {
    return cached_features(encoder_, data_, lists, options_);
  }
  // Images as the cache sees them.
  [[nodiscard]] at::Tensor images() const {
    const auto transform = image::make_eval_transform(options_.transform);
    HostTensor out = HostTensor::zeros(DType::kF32, {data_.dataset->size(), 1, 8, 8});
    for (std::int64_t i = 0; i < data_.dataset->size(); ++i) {
      Rng unused(0, RngPurpose::kTest);
      transform->apply(data_.dataset->get(i).image, unused,
                       out.mutable_data<float>().subspan(static_cast<std::size_t>(64 * i), 64));
    }
    return nn::to_torch(out);
  }
  [[nodiscard]] fs::path only_file() const {
    return fs::directory_iterator(options_.folder)->path();
  }
  [[nodiscard]] std::string message(const std::vector<LayerList>& lists) {
    try {
      static_cast<void>(cached(lists));
    } catch (const FormatError& error) {
      return error.what();
    }
    return "no error";
  }

  TestFolder folder_;
  nn::Encoder encoder_;
  data::OpenedDataset data_ = toy_dataset(20, 1);
  FeatureOptions options_;
  int passes_ = 0;
};

TEST_F(FeatureCacheTest, HoldsMeansOfBlocksAndTheFinalNorm) {
  const std::vector<FeatureFile> files = cached({{0, 2}, {1}, {}});

  nn::Capture capture;
  nn::ForwardOptions forward;
  forward.capture = &capture;
  const at::Tensor all = images();
  static_cast<void>(encoder_.encode(all, forward));
  const std::vector<at::Tensor> expected{(capture["block0_out"] + capture["block2_out"]) / 2.0,
                                         capture["block1_out"], capture["final_norm"]};
  ASSERT_EQ(files.size(), 3U);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const at::Tensor found = nn::to_torch(files[i].tokens);
    EXPECT_LT((found - expected[i]).abs().max().item<double>(), 1e-4) << i;
    EXPECT_EQ(files[i].labels.to_i64(), data::all_labels(*data_.dataset));
  }
}

TEST_F(FeatureCacheTest, ASecondCallComputesWhatIsMissingOnly) {
  const std::vector<FeatureFile> first = cached({{0}});
  EXPECT_EQ(passes_, 3);
  passes_ = 0;
  const std::vector<FeatureFile> again = cached({{0}});
  EXPECT_EQ(passes_, 0);
  EXPECT_EQ(again[0].tokens.to_f32(), first[0].tokens.to_f32());
  const std::vector<FeatureFile> more = cached({{0}, {1}});
  EXPECT_EQ(passes_, 3);
  EXPECT_EQ(more[0].tokens.to_f32(), first[0].tokens.to_f32());
}

TEST_F(FeatureCacheTest, WeightsPreprocessingStorageAndDataMakeOtherFiles) {
  static_cast<void>(cached({{0}}));
  passes_ = 0;
  const auto expect_other = [this] {
    static_cast<void>(cached({{0}}));
    EXPECT_GT(passes_, 0);
    passes_ = 0;
  };

  options_.transform.mean = {0.3};
  expect_other();
  options_.dtype = DType::kBF16;
  expect_other();
  options_.means = true;
  expect_other();
  encoder_.parameters().initialize(4);
  expect_other();
  data_ = toy_dataset(20, 5);  // the same labels, other pixels
  expect_other();
}

TEST_F(FeatureCacheTest, FlippedImagesAreRowsOfTheirOwn) {
  options_.flip = true;
  options_.batch = 20;
  const std::vector<FeatureFile> files = cached({{}});

  const at::Tensor found = nn::to_torch(files[0].tokens);
  ASSERT_EQ(found.size(0), 40);
  const at::Tensor expected = encoder_.encode(images().flip(3), {});
  EXPECT_LT((found.narrow(0, 20, 20) - expected).abs().max().item<double>(), 1e-4);
}

TEST_F(FeatureCacheTest, RefusesTruncatedAndForeignFiles) {
  static_cast<void>(cached({{0}}));
  const fs::path path = only_file();
  const auto size = fs::file_size(path);
  fs::resize_file(path, size - 5);
  EXPECT_THAT(message({{0}}), HasSubstr("remove the file"));

  fs::remove(path);
  static_cast<void>(cached({{1}}));
  fs::rename(only_file(), path);
  EXPECT_THAT(message({{0}}), HasSubstr("expected cached features of the key"));
}

TEST_F(FeatureCacheTest, StopsWithoutLeavingFiles) {
  options_.stop = [] { return true; };

  EXPECT_THROW(static_cast<void>(cached({{0}})), RunError);
  EXPECT_TRUE(fs::is_empty(options_.folder));
}

TEST_F(FeatureCacheTest, NamesTheBlocksThereAre) {
  try {
    static_cast<void>(encoder_.encode_layers(images(), {{3}}, {}));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected blocks from 0 to 2, got 3"));
  }
}

TEST(LayersTextTest, JoinsNeighbours) {
  EXPECT_EQ(layers_text({}), "final");
  EXPECT_EQ(layers_text({3}), "3");
  EXPECT_EQ(layers_text({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

}  // namespace
}  // namespace conopa::train

#include "conopa/data/mixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "conopa/data/loader.h"
#include "conopa/data/open.h"
#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::numbered_images;
using testing::TempFolder;

std::vector<std::int64_t> listed(const Sampler& sampler, std::int64_t epoch) {
  const EpochOrder order = sampler.order(epoch);
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < order.size(); ++i) out.push_back(order[i]);
  return out;
}

/// Writes pixel + random number, so that any change of a sample's stream shows.
class NoiseTransform final : public image::Transform {
 public:
  NoiseTransform() : Transform({1, 1, 1}) {}
  void apply(const image::ImageView& image, Rng& rng, std::span<float> out) const override {
    out[0] = static_cast<float>(image.data[0]) + static_cast<float>(rng.uniform());
  }
};

TEST(MixturePlanTest, QuotasFollowTheWeights) {
  const MixturePlan plan{.sizes = {10, 10, 10}, .weights = {8.0, 1.5, 0.5}, .epoch = 25};
  std::vector<std::int64_t> total(3);
  for (std::int64_t epoch = 0; epoch < 2000; ++epoch) {
    const auto quotas = plan.quotas(3, epoch);
    EXPECT_EQ(std::accumulate(quotas.begin(), quotas.end(), std::int64_t{0}), 25);
    EXPECT_EQ(quotas[0], 20);  // whole shares do not vary
    EXPECT_THAT(quotas[1], ::testing::AllOf(::testing::Ge(3), ::testing::Le(4)));
    for (std::size_t s = 0; s < 3; ++s) total[s] += quotas[s];
  }
  // 3.75 and 1.25 a draw: standard error 0.43 / sqrt(2000) = 0.01; five of them.
  EXPECT_NEAR(static_cast<double>(total[1]) / 2000.0, 3.75, 0.05);
  EXPECT_NEAR(static_cast<double>(total[2]) / 2000.0, 1.25, 0.05);
}

TEST(MixturePlanTest, ASourceIsExhaustedBeforeASampleComesAgain) {
  // Per epoch 4 draws of the first source's 10, across the ends of epochs, and 6 of the other's 4.
  const MixturePlan plan{.sizes = {10, 4}, .weights = {0.4, 0.6}, .epoch = 10};
  std::vector<std::vector<std::int64_t>> drawn(2);
  for (std::int64_t epoch = 0; epoch < 10; ++epoch) {
    for (const std::int64_t place : plan.order(7, epoch))
      drawn[place < 10 ? 0 : 1].push_back(place);
  }
  ASSERT_EQ(drawn[0].size(), 40U);
  for (const auto& [source, size] : {std::pair<std::size_t, std::ptrdiff_t>{0, 10}, {1, 4}}) {
    std::set<std::vector<std::int64_t>> orders;
    for (auto pass = drawn[source].begin(); drawn[source].end() - pass >= size; pass += size) {
      EXPECT_EQ(std::set<std::int64_t>(pass, pass + size).size(), static_cast<std::size_t>(size));
      orders.emplace(pass, pass + size);
    }
    EXPECT_GT(orders.size(), 2U);  // new orders
  }
}

TEST(MixturePlanTest, SourcesAlternateWithinAnEpoch) {
  const MixturePlan plan{.sizes = {100, 100}, .weights = {1.0, 1.0}};
  const auto order = plan.order(0, 0);
  ASSERT_EQ(order.size(), 200U);
  const auto early = std::count_if(order.begin(), order.begin() + 100,
                                   [](std::int64_t place) { return place < 100; });
  EXPECT_NEAR(static_cast<double>(early), 50.0, 25.0);  // 7 standard deviations
}

TEST(SamplerTest, DrawsMixturesAsAFunctionOfSeedAndEpoch) {
  const MixturePlan plan{.sizes = {30, 5}, .weights = {0.5, 0.5}, .epoch = 20};
  const Sampler sampler({.seed = 4}, plan);
  EXPECT_EQ(sampler.epoch_size(), 20);
  EXPECT_EQ(listed(sampler, 3), listed(Sampler({.seed = 4}, plan), 3));
  EXPECT_NE(listed(sampler, 3), listed(sampler, 4));
  EXPECT_NE(listed(sampler, 3), listed(Sampler({.seed = 5}, plan), 3));
  std::vector<std::int64_t> dealt(20);
  for (std::int64_t rank = 0; rank < 2; ++rank) {
    const auto part = listed(Sampler({.seed = 4, .rank = rank, .world_size = 2}, plan), 3);
    ASSERT_EQ(part.size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) dealt[2 * i + static_cast<std::size_t>(rank)] = part[i];
  }
  EXPECT_EQ(dealt, listed(sampler, 3));
}

TEST(SamplerTest, RefusesMixturesThatCannotBeDrawn) {
  const MixturePlan plan{.sizes = {3, 3}, .weights = {1.0, 1.0}};
  EXPECT_THROW(Sampler({.order = SampleOrder::kBalanced}, plan), ConfigError);
  EXPECT_THROW(Sampler({.order = SampleOrder::kRepeated}, plan), ConfigError);
  EXPECT_THROW(Sampler({}, MixturePlan{.sizes = {3}, .weights = {}}), ConfigError);
  EXPECT_THROW(Sampler({}, MixturePlan{.sizes = {3}, .weights = {0.0}}), ConfigError);
  EXPECT_THROW(Sampler({}, MixturePlan{.sizes = {3}, .weights = {NAN}}), ConfigError);
}

TEST(MixtureDatasetTest, KeepsClassesThatAgree) {
  const MixtureDataset same({numbered_images(4, 3), numbered_images(5, 3)});
  EXPECT_EQ(same.size(), 9);
  EXPECT_EQ(same.num_classes(), 3);
  EXPECT_EQ(same.label(5), 1);
  const Sample sample = same.get(6);
  EXPECT_EQ(sample.index, 6);
  EXPECT_EQ(sample.label, 2);
  EXPECT_EQ(sample.image.pixels[0], 2);
  EXPECT_EQ(same.name(8), "numbered[4]");
  const MixtureDataset other({numbered_images(4, 3), numbered_images(5, 2)});
  EXPECT_EQ(other.num_classes(), 0);
  EXPECT_EQ(other.label(2), 0);
  EXPECT_EQ(other.get(2).label, 0);
}

/// Ten labelled images and six with captions, one of them broken.
class MixtureFilesTest : public ::testing::Test {
 protected:
  MixtureFilesTest() {
    for (int i = 0; i < 10; ++i) {
      const std::string file = std::string(i % 2 == 0 ? "ant/" : "bee/") + std::to_string(i);
      folder_.write_png("d/train/" + file + ".png", 1, 1, static_cast<std::uint8_t>(i), 1);
    }
    folder_.write_png("d/val/ant/v.png", 1, 1, 99, 1);
    std::string rows = "path,caption\n";
    for (int i = 0; i < 6; ++i) {
      const std::string name = std::to_string(i);
      if (i != 4) folder_.write_png(name + ".png", 1, 1, static_cast<std::uint8_t>(100 + i), 1);
      rows.append(name).append(".png,caption ").append(name).append("\n");
    }
    options_.mixture = {(folder_.path() / "d").string(), folder_.write("c.csv", rows).string()};
    options_.mixture_weights = {0.25, 0.75};
    options_.mixture_epoch = 24;
    options_.on_error = OnError::kSkip;
  }

  /// One float and caption a sample, from a step on.
  [[nodiscard]] std::pair<std::vector<float>, std::vector<std::string>> epoch(
      std::int64_t workers, std::int64_t start) const {
    const OpenedDataset opened = open_dataset(options_, Split::kTrain);
    Loader loader(opened.dataset, std::make_shared<NoiseTransform>(),
                  Sampler({.seed = 2}, opened.mixture),
                  {.batch = 4, .workers = workers, .seed = 2});
    std::pair<std::vector<float>, std::vector<std::string>> out;
    loader.begin_epoch(5, start);
    while (const auto batch = loader.next()) {
      const auto pixels = batch->images.data<float>();
      out.first.insert(out.first.end(), pixels.begin(), pixels.end());
      out.second.insert(out.second.end(), batch->captions.begin(), batch->captions.end());
    }
    return out;
  }

  TempFolder folder_;
  DataOptions options_;
};

TEST_F(MixtureFilesTest, OpensSourcesOfDifferentKinds) {
  const OpenedDataset train = open_dataset(options_, Split::kTrain);
  EXPECT_EQ(train.dataset->size(), 16);
  EXPECT_THAT(train.mixture.sizes, ElementsAre(10, 6));
  EXPECT_THAT(train.dataset->class_names(), IsEmpty());
  EXPECT_EQ(train.dataset->caption(0), "");
  EXPECT_EQ(train.dataset->caption(11), "caption 1");
  const OpenedDataset eval = open_dataset(options_, Split::kEval);
  EXPECT_EQ(eval.split, "val");
  EXPECT_EQ(eval.dataset->size(), 1);
  EXPECT_TRUE(eval.mixture.empty());
}

TEST_F(MixtureFilesTest, EpochsHoldTheSharesAndTheirCaptions) {
  const auto [pixels, captions] = epoch(0, 0);
  ASSERT_EQ(pixels.size(), 24U);
  std::int64_t captioned = 0;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const int image = static_cast<int>(pixels[i]);
    captioned += image >= 100 ? 1 : 0;
    EXPECT_NE(image, 104);  // the broken one is replaced inside its source
    EXPECT_EQ(captions[i], image < 100 ? "" : "caption " + std::to_string(image - 100));
  }
  EXPECT_EQ(captioned, 18);
}

TEST_F(MixtureFilesTest, ResumingAndWorkersChangeNothing) {
  const auto whole = epoch(0, 0);
  EXPECT_EQ(epoch(3, 0), whole);
  auto [pixels, captions] = epoch(2, 4);
  EXPECT_EQ(pixels, std::vector<float>(whole.first.begin() + 16, whole.first.end()));
  EXPECT_EQ(captions, std::vector<std::string>(whole.second.begin() + 16, whole.second.end()));
}

TEST_F(MixtureFilesTest, LimitsEachSourceAndWeighsBySizeByDefault) {
  options_.limit = 4;
  options_.mixture_weights.clear();
  options_.mixture_epoch = 0;
  const OpenedDataset train = open_dataset(options_, Split::kTrain);
  EXPECT_THAT(train.mixture.sizes, ElementsAre(4, 4));
  EXPECT_THAT(train.mixture.weights, ElementsAre(4.0, 4.0));
  EXPECT_EQ(Sampler({}, train.mixture).epoch_size(), 8);
}

TEST_F(MixtureFilesTest, RefusesOptionsThatContradict) {
  const auto error = [&](auto change) {
    DataOptions options = options_;
    change(options);
    return error_of<ConfigError>([&] { options.validate(); });
  };
  EXPECT_THAT(error([](DataOptions& o) { o.path = "x"; }), HasSubstr("exclude"));
  EXPECT_THAT(error([](DataOptions& o) { o.mixture_weights = {1.0}; }), HasSubstr("1 for 2"));
  EXPECT_THAT(error([](DataOptions& o) { o.mixture_weights = {1.0, -1.0}; }), HasSubstr("-1"));
  EXPECT_THAT(error([](DataOptions& o) { o.mixture_epoch = -1; }), HasSubstr("mixture_epoch"));
  EXPECT_THAT(error([](DataOptions& o) {
                o.mixture.clear();
                o.path = "x";
              }),
              HasSubstr("need a mixture"));
}

}  // namespace
}  // namespace conopa::data

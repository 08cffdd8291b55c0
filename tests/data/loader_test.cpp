#include "conopa/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "conopa/core/parallel.h"
#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::numbered_images;

/// Writes pixel + random number, so that any change of a sample's stream shows.
class NoiseTransform final : public image::Transform {
 public:
  NoiseTransform() : Transform({1, 4, 4}) {}
  void apply(const image::ImageView& image, Rng& rng, std::span<float> out) const override {
    for (float& value : out) {
      value = static_cast<float>(image.data[0]) + static_cast<float>(rng.uniform());
    }
    most_threads = std::max(most_threads.load(), num_threads());
  }
  mutable std::atomic<int> most_threads{0};
};

/// Throws at some indices, after a pause where asked for.
class FaultyDataset final : public Dataset {
 public:
  FaultyDataset(std::int64_t count, std::vector<std::int64_t> bad)
      : inner_(numbered_images(count, 3)), bad_(std::move(bad)) {}
  [[nodiscard]] std::int64_t size() const noexcept override { return inner_->size(); }
  [[nodiscard]] Sample get(std::int64_t index) const override {
    ++gets;
    if (std::find(bad_.begin(), bad_.end(), index) != bad_.end()) {
      // The lower the index, the later it fails: the order must not come from the clock.
      std::this_thread::sleep_for(
          std::chrono::milliseconds(20 - std::min<std::int64_t>(index, 20)));
      throw FormatError(name(index), "broken");
    }
    return inner_->get(index);
  }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override {
    return inner_->label(index);
  }
  [[nodiscard]] std::string name(std::int64_t index) const override {
    return "file" + std::to_string(index);
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override {
    return inner_->class_names();
  }
  mutable std::atomic<int> gets{0};

 private:
  std::shared_ptr<const Dataset> inner_;
  std::vector<std::int64_t> bad_;
};

std::shared_ptr<const NoiseTransform> noise() { return std::make_shared<NoiseTransform>(); }

Sampler sequential(std::int64_t size) {
  return {SamplerOptions{.order = SampleOrder::kSequential}, size};
}

LoaderOptions mixing(std::int64_t workers) {
  return {
      .batch = 7,
      .workers = workers,
      .seed = 3,
      .mixup = {
          .mixup_alpha = 0.8, .cutmix_alpha = 1.0, .mode = MixMode::kElem, .label_smoothing = 0.1}};
}

bool same_bytes(const HostTensor& a, const HostTensor& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.bytes(), b.bytes());
}

void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].step, b[i].step);
    EXPECT_EQ(a[i].indices, b[i].indices);
    EXPECT_TRUE(same_bytes(a[i].images, b[i].images)) << "step " << i;
    EXPECT_TRUE(same_bytes(a[i].labels, b[i].labels)) << "step " << i;
    EXPECT_TRUE(same_bytes(a[i].targets, b[i].targets)) << "step " << i;
  }
}

std::vector<Batch> rest_of(Loader& loader) {
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(*std::move(batch));
  return batches;
}

std::vector<Batch> epoch_of(const LoaderOptions& options, std::int64_t epoch,
                            std::int64_t start_step = 0) {
  Loader loader(numbered_images(100, 3), noise(), Sampler({.seed = 9}, 100), options);
  loader.begin_epoch(epoch, start_step);
  return rest_of(loader);
}

TEST(LoaderTest, DeliversEverySampleWithItsLabelInOrder) {
  Loader loader(numbered_images(10, 3), noise(), sequential(10), {.batch = 4, .workers = 2});
  EXPECT_EQ(loader.steps_per_epoch(), 3);
  loader.begin_epoch(0);
  const auto batches = rest_of(loader);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[0].images.shape(), (Shape{4, 1, 4, 4}));
  EXPECT_EQ(batches[2].images.shape(), (Shape{2, 1, 4, 4}));
  EXPECT_THAT(batches[1].indices, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(batches[1].labels.to_i64(), ElementsAre(1, 2, 0, 1));
  EXPECT_THAT(batches[1].labels.shape(), ElementsAre(4));
  EXPECT_TRUE(batches[1].targets.empty());
  EXPECT_EQ(static_cast<int>(batches[1].images.data<float>()[2 * 16]), 6);
}

TEST(LoaderTest, OutputDoesNotDependOnWorkersOrPrefetch) {
  const auto expected = epoch_of(mixing(0), 2);
  ASSERT_EQ(expected.size(), 15U);
  EXPECT_FALSE(expected[0].targets.empty());
  for (const std::int64_t workers : {1, 2, 4}) {
    SCOPED_TRACE(workers);
    LoaderOptions options = mixing(workers);
    expect_same(epoch_of(options, 2), expected);
    options.prefetch = 7;
    expect_same(epoch_of(options, 2), expected);
  }
}

TEST(LoaderTest, EnteringAnEpochInTheMiddleGivesTheSameRest) {
  for (const std::int64_t workers : {0, 2}) {
    auto whole = epoch_of(mixing(workers), 5);
    whole.erase(whole.begin(), whole.begin() + 6);
    expect_same(epoch_of(mixing(workers), 5, 6), whole);
  }
  EXPECT_TRUE(epoch_of(mixing(2), 5, 15).empty());
}

TEST(LoaderTest, EpochsAndSeedsDiffer) {
  const auto a = epoch_of(mixing(1), 0);
  const auto b = epoch_of(mixing(1), 1);
  EXPECT_NE(a[0].indices, b[0].indices);
  LoaderOptions other = mixing(1);
  other.seed = 4;
  EXPECT_FALSE(same_bytes(a[0].images, epoch_of(other, 0)[0].images));
}

TEST(LoaderTest, RepeatsOfASampleAreAugmentedDifferently) {
  const SamplerOptions options{.order = SampleOrder::kRepeated, .repeats = 3};
  Loader loader(numbered_images(6, 3), noise(), Sampler(options, 6), {.batch = 6, .workers = 0});
  loader.begin_epoch(0);
  const Batch batch = loader.next().value();
  EXPECT_EQ(batch.indices[0], batch.indices[1]);
  const auto pixels = batch.images.data<float>();
  EXPECT_NE(pixels[0], pixels[16]);
}

TEST(LoaderTest, RanksTogetherSeeWhatOneRankSees) {
  const auto collect = [](std::int64_t rank, std::int64_t world) {
    Loader loader(numbered_images(12, 3), noise(),
                  Sampler({.seed = 2, .rank = rank, .world_size = world}, 12),
                  {.batch = 12 / world, .workers = 1});
    loader.begin_epoch(1);
    return loader.next().value();
  };
  const Batch whole = collect(0, 1);
  const Batch odd = collect(1, 2);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(odd.indices[i], whole.indices[2 * i + 1]);
    EXPECT_EQ(odd.images.data<float>()[i * 16], whole.images.data<float>()[(2 * i + 1) * 16]);
  }
}

TEST(LoaderTest, DropLastLeavesOutTheIncompleteBatch) {
  Loader loader(numbered_images(10, 3), noise(), sequential(10),
                {.batch = 4, .workers = 1, .drop_last = true});
  loader.begin_epoch(0);
  EXPECT_EQ(rest_of(loader).size(), 2U);
}

TEST(LoaderTest, SmoothingAloneMakesTargetsAndLeavesImages) {
  LoaderOptions options{.batch = 4, .workers = 0};
  Loader plain(numbered_images(4, 2), noise(), sequential(4), options);
  options.mixup.label_smoothing = 0.2;
  Loader smooth(numbered_images(4, 2), noise(), sequential(4), options);
  plain.begin_epoch(0);
  smooth.begin_epoch(0);
  const Batch batch = smooth.next().value();
  EXPECT_TRUE(same_bytes(batch.images, plain.next().value().images));
  EXPECT_EQ(batch.targets.shape(), (Shape{4, 2}));
  EXPECT_FLOAT_EQ(batch.targets.data<float>()[0], 0.9F);
  EXPECT_FLOAT_EQ(batch.targets.data<float>()[1], 0.1F);
}

TEST(LoaderTest, WorkersNeverUseMoreThanTheirOwnThread) {
  const auto transform = noise();
  Loader loader(numbered_images(40, 3), transform, sequential(40), {.batch = 8, .workers = 2});
  loader.begin_epoch(0);
  (void)rest_of(loader);
  EXPECT_EQ(transform->most_threads, 1);
}

TEST(LoaderTest, NothingComesBeforeAnEpochOrAfterItsEnd) {
  for (const std::int64_t workers : {0, 2}) {
    Loader loader(numbered_images(4, 3), noise(), sequential(4), {.batch = 4, .workers = workers});
    EXPECT_FALSE(loader.next());
    loader.begin_epoch(0);
    EXPECT_TRUE(loader.next());
    EXPECT_FALSE(loader.next());
    EXPECT_FALSE(loader.next());
  }
}

TEST(LoaderTest, AnEpochCanBeAbandonedForAnother) {
  Loader loader(numbered_images(100, 3), noise(), Sampler({.seed = 9}, 100), mixing(2));
  loader.begin_epoch(0);
  (void)loader.next();
  loader.begin_epoch(2);
  expect_same(rest_of(loader), epoch_of(mixing(0), 2));
}

TEST(LoaderTest, MayEndInTheMiddleOfAnEpochWhileBatchesLiveOn) {
  Batch kept;
  for (int round = 0; round < 20; ++round) {
    Loader loader(numbered_images(100, 3), noise(), sequential(100), {.batch = 8, .workers = 4});
    loader.begin_epoch(0);
    kept = loader.next().value();
  }
  EXPECT_EQ(static_cast<int>(kept.images.data<float>()[7 * 16]), 7);
}

TEST(LoaderTest, BatchesThatAreHeldAreNotOverwritten) {
  Loader loader(numbered_images(64, 3), noise(), sequential(64), {.batch = 8, .workers = 2});
  loader.begin_epoch(0);
  const auto batches = rest_of(loader);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(batches[i].images.data<float>()[0]), 8 * i);
  }
}

TEST(LoaderTest, ReleasedMemoryIsUsedAgain) {
  Loader loader(numbered_images(64, 3), noise(), sequential(64), {.batch = 8, .workers = 0});
  loader.begin_epoch(0);
  const std::byte* first = loader.next().value().images.bytes().data();
  EXPECT_EQ(loader.next().value().images.bytes().data(), first);
}

TEST(LoaderTest, WorkersStayWithinThePrefetchLimit) {
  const auto dataset = std::make_shared<FaultyDataset>(100, std::vector<std::int64_t>{});
  Loader loader(dataset, noise(), sequential(100), {.batch = 5, .workers = 2, .prefetch = 3});
  loader.begin_epoch(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(dataset->gets, 15);
}

TEST(LoaderTest, FailureSurfacesAtItsBatchAndNamesTheFirstSample) {
  for (const std::int64_t workers : {0, 1, 4}) {
    SCOPED_TRACE(workers);
    const auto dataset =
        std::make_shared<FaultyDataset>(40, std::vector<std::int64_t>{11, 13, 15, 30});
    Loader loader(dataset, noise(), sequential(40), {.batch = 8, .workers = workers});
    loader.begin_epoch(0);
    EXPECT_TRUE(loader.next());
    EXPECT_EQ(error_of<FormatError>([&] { (void)loader.next(); }), "[file11] broken");
    EXPECT_FALSE(loader.next());  // the epoch is over
    loader.begin_epoch(0, 2);
    EXPECT_TRUE(loader.next());
  }
}

TEST(LoaderTest, ShapeErrorsOfATransformNameTheFile) {
  image::TrainTransformOptions crop;
  crop.crop = image::TrainCrop::kPadCrop;
  crop.height = crop.width = 64;  // the images are 4×4
  Loader loader(std::make_shared<FaultyDataset>(2, std::vector<std::int64_t>{}),
                image::make_train_transform(crop), sequential(2), {.batch = 2, .workers = 1});
  loader.begin_epoch(0);
  EXPECT_THAT(error_of<ShapeError>([&] { (void)loader.next(); }), HasSubstr("file0"));
}

TEST(LoaderTest, RefusesBadOptions) {
  const auto make = [](const LoaderOptions& options) {
    Loader loader(numbered_images(4, 2), noise(), sequential(4), options);
  };
  EXPECT_THROW(make({.batch = 0}), ConfigError);
  EXPECT_THROW(make({.workers = -2}), ConfigError);
  EXPECT_THROW(make({.prefetch = 0}), ConfigError);
  EXPECT_THROW(make({.batch = 5, .drop_last = true}), ConfigError);
  Loader loader(numbered_images(4, 2), noise(), sequential(4), {.batch = 2, .workers = 0});
  EXPECT_THROW(loader.begin_epoch(0, 3), ConfigError);
  EXPECT_THROW(loader.begin_epoch(0, -1), ConfigError);
}

}  // namespace
}  // namespace conopa::data

// How many images per second the loader delivers. Run with 0, 1, 2, ... workers:
//   data_bench --benchmark_filter=jpeg
// The JPEG case is ImageNet training: decode 500×375, random resized crop to 224, flip,
// RandAugment, normalise, random erasing. The small case is Fashion-MNIST training: 28×28 in
// memory, shifted crop, flip, normalise.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "conopa/core/rng.h"
#include "conopa/data/file_dataset.h"
#include "conopa/data/loader.h"
#include "conopa/data/memory_dataset.h"
#include "conopa/data/sampler.h"
#include "conopa/image/codec.h"
#include "conopa/image/transform.h"

namespace {

namespace data = conopa::data;
namespace fs = std::filesystem;
namespace image = conopa::image;

/// Smooth shapes with some noise, which compress about as photographs do.
image::Image synthetic_photo(std::uint64_t index) {
  conopa::Rng rng(0, conopa::RngPurpose::kTest, 0, index);
  image::Image picture(500, 375, 3);
  const double fx = rng.uniform(0.01, 0.08);
  const double fy = rng.uniform(0.01, 0.08);
  for (std::int64_t y = 0; y < picture.height; ++y) {
    std::uint8_t* row = picture.row(y);
    for (std::int64_t x = 0; x < picture.width; ++x) {
      const double wave =
          std::sin(fx * static_cast<double>(x)) * std::cos(fy * static_cast<double>(y));
      for (std::int64_t c = 0; c < 3; ++c) {
        const double noise = rng.uniform(-12.0, 12.0);
        *row++ = static_cast<std::uint8_t>(
            128.0 + 90.0 * wave * (1.0 - 0.3 * static_cast<double>(c)) + noise);
      }
    }
  }
  return picture;
}

/// A folder of JPEG files that goes with the program.
class PhotoFolder {
 public:
  static constexpr std::int64_t kPhotos = 64;

  PhotoFolder() : root_(fs::temp_directory_path() / "conopa_data_bench") {
    fs::create_directories(root_);
    for (std::int64_t i = 0; i < kPhotos; ++i) {
      const auto bytes = image::encode_jpeg(synthetic_photo(static_cast<std::uint64_t>(i)), 90);
      std::ofstream(root_ / file_name(i), std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    }
  }
  ~PhotoFolder() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  PhotoFolder(const PhotoFolder&) = delete;
  PhotoFolder& operator=(const PhotoFolder&) = delete;

  /// Every photo comes several times, so that an epoch is long enough.
  [[nodiscard]] std::shared_ptr<const data::Dataset> dataset() const {
    data::PathTable paths;
    std::vector<std::int32_t> labels;
    for (std::int64_t i = 0; i < 8 * kPhotos; ++i) {
      paths.push_back(file_name(i % kPhotos));
      labels.push_back(static_cast<std::int32_t>(i % 10));
    }
    std::vector<std::string> names(10, "class");
    return std::make_shared<data::FileDataset>(root_, std::move(paths), std::move(labels),
                                               std::move(names));
  }

 private:
  static std::string file_name(std::int64_t i) { return std::to_string(i) + ".jpg"; }

  fs::path root_;
};

std::shared_ptr<const data::Dataset> small_images() {
  constexpr std::int64_t kCount = 60'000;
  data::MemoryImages images;
  images.name = "small";
  images.height = images.width = 28;
  images.channels = 1;
  images.pixels.resize(static_cast<std::size_t>(kCount * 28 * 28));
  conopa::Rng rng(0, conopa::RngPurpose::kTest);
  for (std::uint8_t& pixel : images.pixels) pixel = static_cast<std::uint8_t>(rng.next_u32());
  for (std::int64_t i = 0; i < kCount; ++i) images.labels.push_back(i % 10);
  images.class_names.assign(10, "class");
  return std::make_shared<data::MemoryDataset>(std::move(images));
}

image::TrainTransformOptions imagenet_training() {
  image::TrainTransformOptions options;
  options.rand_augment = "rand-m9-mstd0.5-inc1";
  options.erase_prob = 0.25;
  return options;
}

image::TrainTransformOptions small_training() {
  image::TrainTransformOptions options;
  options.height = options.width = 28;
  options.channels = 1;
  options.crop = image::TrainCrop::kPadCrop;
  options.pad_px = 2;
  options.mean = {0.286};
  options.std = {0.353};
  return options;
}

// Takes batches without doing anything with them, epoch after epoch.
void run_loader(benchmark::State& state, std::shared_ptr<const data::Dataset> dataset,
                const image::TrainTransformOptions& transform, data::LoaderOptions options) {
  options.workers = state.range(0);
  const std::int64_t size = dataset->size();
  data::Loader loader(std::move(dataset), image::make_train_transform(transform),
                      data::Sampler(data::SamplerOptions{}, size), options);
  std::int64_t epoch = 0;
  std::int64_t images = 0;
  loader.begin_epoch(epoch);
  for (auto _ : state) {
    auto batch = loader.next();
    if (!batch) {
      loader.begin_epoch(++epoch);
      batch = loader.next();
    }
    benchmark::DoNotOptimize(batch->images.bytes().data());
    images += batch->size();
  }
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(images), benchmark::Counter::kIsRate);
}

void jpeg_training(benchmark::State& state) {
  static const PhotoFolder folder;
  data::LoaderOptions options{.batch = 64};
  options.mixup = {.mixup_alpha = 0.8, .cutmix_alpha = 1.0, .label_smoothing = 0.1};
  run_loader(state, folder.dataset(), imagenet_training(), options);
}

void jpeg_decode_only(benchmark::State& state) {
  const auto bytes = image::encode_jpeg(synthetic_photo(0), 90);
  for (auto _ : state) benchmark::DoNotOptimize(image::decode(bytes, "photo"));
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["KB"] = static_cast<double>(bytes.size()) / 1024.0;
}

void small_images_training(benchmark::State& state) {
  static const auto dataset = small_images();
  run_loader(state, dataset, small_training(), {.batch = 256});
}

void small_images_mixed(benchmark::State& state) {
  static const auto dataset = small_images();
  data::LoaderOptions options{.batch = 256};
  options.mixup = {.mixup_alpha = 0.2, .cutmix_alpha = 1.0, .label_smoothing = 0.1};
  run_loader(state, dataset, small_training(), options);
}

BENCHMARK(jpeg_decode_only)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(jpeg_training)
    ->ArgName("workers")
    ->Arg(0)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(small_images_training)
    ->ArgName("workers")
    ->Arg(0)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(small_images_mixed)
    ->ArgName("workers")
    ->Arg(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();

#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "conopa/core/rng.h"
#include "conopa/data/memory_dataset.h"
#include "conopa/train/trainer.h"

namespace conopa::train {

/// A folder of its own for one test, removed with it.
class TestFolder {
 public:
  TestFolder() {
    // In memory where possible: the many small flushes to disk would take minutes on a busy one.
    std::error_code missing;
    const std::filesystem::path memory = "/dev/shm";
    const std::filesystem::path parent = std::filesystem::is_directory(memory, missing)
                                             ? memory
                                             : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "conopa-train-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Gray 8×8 images of four classes: which quadrant is bright, under noise.
inline data::OpenedDataset toy_dataset(std::int64_t count, std::uint64_t seed) {
  data::MemoryImages images{.name = "toy",
                            .height = 8,
                            .width = 8,
                            .channels = 1,
                            .pixels = {},
                            .labels = {},
                            .class_names = {"nw", "ne", "sw", "se"}};
  for (std::int64_t i = 0; i < count; ++i) {
    Rng rng(seed, RngPurpose::kTest, 0, static_cast<std::uint64_t>(i));
    const std::int64_t label = i % 4;
    for (std::int64_t y = 0; y < 8; ++y) {
      for (std::int64_t x = 0; x < 8; ++x) {
        const bool bright = (y / 4) * 2 + x / 4 == label;
        images.pixels.push_back(static_cast<std::uint8_t>(rng.below(100) + (bright ? 120 : 30)));
      }
    }
    images.labels.push_back(label);
  }
  return {.dataset = std::make_shared<data::MemoryDataset>(std::move(images)),
          .broken = std::make_shared<data::BrokenFiles>(),
          .kind = data::DataKind::kIdx,
          .split = "test"};
}

inline RunParts toy_parts(std::int64_t train = 96, std::int64_t eval = 40) {
  return {.train = toy_dataset(train, 1), .eval = toy_dataset(eval, 2)};
}

/// A model of about 6,000 parameters and six steps an epoch.
inline RunConfig toy_config(const std::filesystem::path& folder) {
  RunConfig config;
  arch::EncoderSpec& spec = config.model.spec;
  spec.channels = 1;
  spec.height = 8;
  spec.width = 8;
  spec.patch = 4;
  spec.dim = 16;
  spec.depth = 2;
  spec.heads = 2;
  spec.mlp_multiple_of = 16;
  config.classes_from_data = true;
  config.data.path = "toy";
  config.augment.height = config.eval_transform.height = 8;
  config.augment.width = config.eval_transform.width = 8;
  config.augment.channels = config.eval_transform.channels = 1;
  config.augment.crop = image::TrainCrop::kPadCrop;
  config.augment.pad_px = 1;
  config.augment.hflip = 0.0;
  config.augment.mean = config.eval_transform.mean = {0.4};
  config.augment.std = config.eval_transform.std = {0.25};
  config.eval_transform.mode = image::EvalMode::kSquash;
  config.optim.lr_peak = 3e-3;
  config.optim.warmup_epochs = 1.0;
  config.train.epochs = 3;
  config.train.batch = 16;
  config.train.eval_batch = 24;
  config.train.device = "cpu";
  config.train.precision = nn::Precision::kFp32;
  config.train.threads = 1;
  config.train.workers = 1;
  config.train.log_every = 4;
  config.output.dir = folder.string();
  config.output.samples = 4;
  config.output.tensorboard = false;
  return config;
}

/// Turns a toy run into masked auto-encoding of 16 patches. The classes differ by absolute place
/// and brightness alone, so the model has absolute positions and predicts plain pixels.
inline RunConfig as_mae(RunConfig config) {
  arch::EncoderSpec& spec = config.model.spec;
  spec.patch = 2;
  spec.mask = arch::Mask::kBidirectional;
  spec.norm = arch::Norm::kLayer;
  spec.position = arch::Position::kLearned;
  spec.rotary = arch::Rotary::kPlane;
  spec.class_token = arch::ClassToken::kLate;
  spec.decoder = arch::Decoder::kMae;
  spec.decoder_dim = 16;
  spec.weight_init = arch::WeightInit::kXavier;
  spec.decoder_depth = 1;
  spec.decoder_heads = 2;
  spec.read_out = arch::ReadOut::kMeanNorm;
  config.train.task = TaskKind::kMae;
  config.mae.mask_ratio = 0.5;
  config.mae.norm_pix = false;
  config.augment.pad_px = 0;
  return config;
}

inline RunConfig toy_mae_config(const std::filesystem::path& folder) {
  return as_mae(toy_config(folder));
}

}  // namespace conopa::train

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/conopa/model_store.h"
#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "conopa/image/codec.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using Json = nlohmann::json;

constexpr std::int64_t kDim = 16;

void write_model(const std::filesystem::path& path, arch::Position position) {
  arch::EncoderSpec spec = testing::small_spec();
  spec.position = position;
  spec.rotary = arch::Rotary::kNone;
  spec.mask = arch::Mask::kBidirectional;
  spec.class_token = arch::ClassToken::kNone;
  spec.read_out = arch::ReadOut::kMean;
  spec.resolve();
  app::NewModel model{.spec = spec,
                      .transform = app::default_transform(spec),
                      .class_names = {},
                      .tensors = {},
                      .readme = "# native\n"};
  model.transform.mode = image::EvalMode::kAsIs;
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    model.tensors.push_back({entry.name, arch::initial_tensor(entry, 5)});
  }
  app::save_model(path, model, false);
}

image::Image picture(std::int64_t height, std::int64_t width, int seed) {
  image::Image out(width, height, 3);
  for (std::size_t i = 0; i < out.pixels.size(); ++i) {
    out.pixels[i] =
        static_cast<std::uint8_t>((i * 31 + static_cast<std::size_t>(seed) * 77) ^ (i / 5));
  }
  return out;
}

struct Size {
  std::int64_t height, width;
};

/// A model of native resolution, patches of 4 px, and pictures of 112 patches or more.
class OwnSizesTest : public ::testing::Test {
 protected:
  OwnSizesTest() {
    write_model(model_, arch::Position::kSinCosComputed);
    std::filesystem::create_directories(dir_ / "p");
    for (std::size_t i = 0; i < sizes_.size(); ++i) {
      write_file_atomically(file(i), image::encode_png(picture(sizes_[i].height, sizes_[i].width,
                                                               static_cast<int>(i))));
    }
  }

  [[nodiscard]] std::string file(std::size_t i) const {
    return dir_ / ("p/" + std::to_string(i) + ".png");
  }
  [[nodiscard]] std::vector<float> features(const std::string& input, const std::string& size,
                                            const std::string& batch = "16") const {
    const std::string out = dir_ / "f.safetensors";
    const CommandResult result =
        run_command({"features", model_, input, "--size", size, "--batch", batch, "--out", out,
                     "--force", "--precision", "fp32", "--threads", "1"});
    EXPECT_EQ(result.code, 0) << result.error;
    return result.code == 0 ? SafetensorsFile::open(out)->read("features").to_f32()
                            : std::vector<float>();
  }

  // More sizes than sessions are kept, and some of them again.
  const std::vector<Size> sizes_{{48, 40},  {40, 48}, {60, 48}, {48, 40}, {44, 44},
                                 {160, 12}, {64, 64}, {48, 40}, {60, 48}};
  TempDir dir_;
  std::string model_ = dir_ / "m";
};

TEST_F(OwnSizesTest, EveryImageGetsTheFeaturesOfItsSizeInTheOrderOfTheImages) {
  const std::vector<float> all = features(dir_ / "p", "native");
  ASSERT_EQ(all.size(), sizes_.size() * kDim);
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    const std::string size =
        std::to_string(sizes_[i].height) + "x" + std::to_string(sizes_[i].width);
    const std::vector<float> alone = features(file(i), size);
    const std::vector<float> row(all.begin() + static_cast<std::ptrdiff_t>(i) * kDim,
                                 all.begin() + static_cast<std::ptrdiff_t>(i + 1) * kDim);
    EXPECT_EQ(row, alone) << i;
  }
  EXPECT_EQ(features(dir_ / "p", "native", "2"), all);
}

TEST_F(OwnSizesTest, LeavesOutWhatIsNoWholePatchAtTheRightAndBelow) {
  const image::Image whole = picture(51, 42, 3);
  const image::Image part(image::ImageView(whole).window(0, 0, 40, 48));
  write_file_atomically(dir_ / "whole.png", image::encode_png(whole));
  write_file_atomically(dir_ / "part.png", image::encode_png(part));

  EXPECT_EQ(features(dir_ / "whole.png", "native"), features(dir_ / "part.png", "48x40"));
}

TEST_F(OwnSizesTest, PredictsAsAtTheSizeOfTheImage) {
  const auto predict = [this](const std::string& input, const std::string& size) {
    return run_command({"predict", model_, input, "--size", size, "--json", "--precision", "fp32"});
  };
  const CommandResult all = predict(dir_ / "p", "native");
  ASSERT_EQ(all.code, 0) << all.error;
  std::istringstream in(all.out);
  std::string line;
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    ASSERT_TRUE(std::getline(in, line));
    const std::string size =
        std::to_string(sizes_[i].height) + "x" + std::to_string(sizes_[i].width);
    EXPECT_EQ(Json::parse(line), Json::parse(predict(file(i), size).out)) << i;
  }
}

TEST_F(OwnSizesTest, RefusesImagesBeyondTheLimitsByName) {
  const std::string small = dir_ / "small.png";
  write_file_atomically(small, image::encode_png(picture(40, 40, 1)));  // 100 patches
  const CommandResult result = run_command({"predict", model_, small, "--size", "native"});
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.error, HasSubstr("[" + small + "] expected an image of 112 to 4096 patches"));

  const CommandResult skipped =
      run_command({"predict", model_, small, file(0), "--size", "native", "--on-error", "skip"});
  EXPECT_EQ(skipped.code, 0) << skipped.error;
  EXPECT_THAT(skipped.log, HasSubstr("1 of 2 images were skipped"));
}

TEST_F(OwnSizesTest, RefusesWhatHasOneSize) {
  write_model(dir_ / "fixed", arch::Position::kLearned);
  EXPECT_THAT(run_command({"predict", dir_ / "fixed", file(0), "--size", "native"}).error,
              HasSubstr("expected a model of native resolution"));
  EXPECT_THAT(run_command({"features", model_, file(0), "--size", "native", "--kind", "tokens",
                           "--out", dir_ / "t.npz"})
                  .error,
              HasSubstr("[--kind] expected pooled with --size native"));
}

}  // namespace
}  // namespace conopa

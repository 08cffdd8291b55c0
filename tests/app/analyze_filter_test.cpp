#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "apps/conopa/filter_masks.h"
#include "apps/conopa/model_store.h"
#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "conopa/eval/activation_map.h"
#include "conopa/eval/pseudo_mask.h"
#include "conopa/image/codec.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using testing::write_png;
using Json = nlohmann::json;

using Rows = std::vector<std::vector<std::string>>;

Rows read_csv(const std::string& path) {
  Rows out;
  std::istringstream file(testing::read_plain(path));
  for (std::string line; std::getline(file, line);) {
    out.emplace_back();
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) out.back().push_back(cell);
  }
  return out;
}

// Object pixels from column `left` on.
void write_mask(const std::string& path, std::int64_t width, std::int64_t height,
                std::int64_t left) {
  image::Image mask(width, height, 1);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = left; x < width; ++x) mask.row(y)[x] = 3;
  }
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  write_file_atomically(path, image::encode_png(mask));
}

/// A model of 24x24 pixels, two blocks and 6x6 patches, and three pictures of 12x10 with masks.
class AnalyzeFilterTest : public ::testing::Test {
 protected:
  AnalyzeFilterTest() {
    save_model({});
    for (int i = 0; i < 3; ++i) {
      write_png(dir_ / ("p/" + std::to_string(i) + ".png"), i);
      write_mask(dir_ / ("masks/sub/" + std::to_string(i) + ".png"), 12, 10, 3 + i);
    }
  }

  void save_model(const std::set<std::string>& enormous) {
    arch::EncoderSpec spec = testing::small_spec();
    spec.height = spec.width = 24;
    spec.depth = 2;
    spec.class_token = arch::ClassToken::kFront;
    spec.mask = arch::Mask::kBidirectional;  // a causal token in front would see itself alone
    spec.resolve();
    app::NewModel model{.spec = spec,
                        .transform = app::default_transform(spec),
                        .class_names = {},
                        .tensors = {},
                        .readme = "# small\n"};
    const arch::TensorTable table(spec);
    for (const arch::TensorEntry& entry : table.entries()) {
      model.tensors.push_back({entry.name, arch::initial_tensor(entry, 1)});
      if (enormous.contains(entry.name)) {  // finite, as the engine refuses other weights
        std::ranges::fill(model.tensors.back().tensor.mutable_data<float>(), 3e38F);
      }
    }
    app::save_model(model_, model, true);
  }

  [[nodiscard]] CommandResult filter(std::vector<std::string> words) const {
    words.insert(words.begin(),
                 {"analyze", "filter", model_, dir_ / "p", "--out", out_, "--precision", "fp32"});
    return run_command(words);
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
  std::string out_ = dir_ / "out";
};

TEST_F(AnalyzeFilterTest, WritesAPicturePerImageWithARowPerLayer) {
  const CommandResult result = filter({"--json", "--layers", "tokens_in,block1_out,final_norm"});
  ASSERT_EQ(result.code, 0) << result.error;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["images"], 3);
  EXPECT_TRUE(json["means"].empty());
  for (const char* name : {"0000-0.png", "0001-1.png", "0002-2.png"}) {
    const image::Image picture = image::decode_file(out_ + "/" + name);
    EXPECT_EQ(picture.width, 3 * 24 + 2 * 4) << name;  // picture, magnitude, frequency
    EXPECT_EQ(picture.height, 3 * 24 + 2 * 4) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(out_ + "/scores.csv"));
}

TEST_F(AnalyzeFilterTest, ScoresAreThoseOfTheLayersTokens) {
  const CommandResult result =
      filter({"--masks", dir_ / "masks", "--json", "--layers", "tokens_in", "--pictures", "1"});
  ASSERT_EQ(result.code, 0) << result.error;
  const Rows rows = read_csv(out_ + "/scores.csv");
  ASSERT_EQ(rows.size(), 1U + 3 * 2) << testing::read_plain(out_ + "/scores.csv");
  EXPECT_THAT(rows[0], ElementsAre("image", "layer", "kind", "threshold", "iou"));
  // The same tokens by another command; the masks of the three images cover from columns 3, 4 and 5
  // of 12 on, of which resizing to 32 and cutting the centre leaves 24 columns.
  const std::string tokens = dir_ / "t.safetensors";
  ASSERT_EQ(run_command({"features", model_, dir_ / "p", "--kind", "tokens", "--layer", "tokens_in",
                         "--precision", "fp32", "--out", tokens})
                .code,
            0);
  const std::vector<float> all = SafetensorsFile::open(tokens)->read("tokens").to_f32();
  const app::MaskFolder masks(dir_ / "masks", app::open_model(model_).transform);
  double sum = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::span<const float> patches = std::span(all).subspan(i * 37 * 16 + 16, 36 * 16);
    const auto mask =
        eval::token_mask(masks.coverage(dir_ / ("p/" + std::to_string(i) + ".png")), 24, 24, 6, 6);
    const eval::PseudoMaskScore score = eval::pseudo_mask_score(
        eval::magnitude_activation({.tokens = patches, .rows = 6, .cols = 6, .width = 16}), mask);
    const std::vector<std::string>& row = rows[1 + 2 * i];
    EXPECT_EQ(row[2], "magnitude");
    EXPECT_NEAR(std::stod(row[3]), score.best_threshold(), 1e-9);
    EXPECT_NEAR(std::stod(row[4]), score.best_iou(), 1e-6);
    sum += score.best_iou();
  }
  const Json mean = Json::parse(result.out)["means"][0];
  EXPECT_EQ(mean["kind"], "magnitude");
  EXPECT_EQ(mean["images"], 3);
  EXPECT_NEAR(mean["miou"].get<double>(), sum / 3, 1e-9);
  EXPECT_EQ(read_csv(out_ + "/means.csv").size(), 3U);
  EXPECT_EQ(image::decode_file(out_ + "/0000-0.png").width, 5 * 24 + 4 * 4);
  EXPECT_FALSE(std::filesystem::exists(out_ + "/0001-1.png"));  // --pictures 1
}

TEST_F(AnalyzeFilterTest, TheMeanOfColumnsIsAnotherAnswer) {
  ASSERT_EQ(filter({"--masks", dir_ / "masks"}).code, 0);
  const std::string all = testing::read_plain(out_ + "/scores.csv");
  ASSERT_EQ(filter({"--masks", dir_ / "masks", "--mean", "column", "--force"}).code, 0);
  EXPECT_NE(testing::read_plain(out_ + "/scores.csv"), all);
}

TEST_F(AnalyzeFilterTest, MasksWithoutAHalfCoveredTokenAreLeftOut) {
  write_mask(dir_ / "masks/sub/1.png", 12, 10, 12);
  const CommandResult result = filter({"--masks", dir_ / "masks", "--json"});
  ASSERT_EQ(result.code, 0) << result.error;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["without_object"], 1);
  EXPECT_EQ(json["means"][0]["images"], 2);
  EXPECT_THAT(result.log, HasSubstr("1 of 3 masks cover no token by half"));
}

TEST_F(AnalyzeFilterTest, RefusesMasksThatDoNotFit) {
  write_mask(dir_ / "masks/sub/2.png", 10, 12, 5);
  CommandResult result = filter({"--masks", dir_ / "masks"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error,
              HasSubstr("2.png] expected a mask of its image's size, 12x10 px, found 10x12"));
  std::filesystem::remove(dir_ / "masks/sub/2.png");
  result = filter({"--masks", dir_ / "masks", "--force"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("expected a mask 2.png for "));
  EXPECT_THAT(result.error, HasSubstr("1 of 3 images lack one"));
  write_mask(dir_ / "masks/2.png", 12, 10, 5);
  write_mask(dir_ / "masks/sub/2.png", 12, 10, 5);
  EXPECT_THAT(filter({"--masks", dir_ / "masks", "--force"}).error,
              HasSubstr("expected one mask a name"));
  EXPECT_THAT(filter({"--masks", dir_ / "none", "--force"}).error,
              HasSubstr("expected a folder of masks"));
}

TEST_F(AnalyzeFilterTest, RefusesActivationsThatAreNotFinite) {
  save_model({"patch_embed.proj.bias", "blocks.0.attn.proj.bias"});
  const CommandResult result = filter({"--layers", "tokens_in,block0_out"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr("0.png] expected finite activations in block0_out"));
}

TEST_F(AnalyzeFilterTest, RefusesUnknownLayersAndFullFolders) {
  EXPECT_THAT(filter({"--layers", "block7_out"}).error,
              HasSubstr("tokens_in, block0_out, block1_out, final_norm"));
  EXPECT_THAT(run_command({"analyze", "filter", model_, dir_ / "p", "--out", dir_ / "p"}).error,
              HasSubstr("--force"));
}

TEST_F(AnalyzeFilterTest, TheNativeEngineSaysWhatItLacks) {
  EXPECT_THAT(filter({"--masks", dir_ / "masks"}).log, HasSubstr("use --engine torch"));
}

#ifdef CONOPA_TRAIN
TEST_F(AnalyzeFilterTest, LibtorchAddsBranchesAndTheAttentionBaseline) {
  const std::vector<std::string> masks{"--masks", dir_ / "masks", "--json"};
  const CommandResult native = filter(masks);
  ASSERT_EQ(native.code, 0) << native.error;
  std::vector<std::string> words = masks;
  words.insert(words.end(), {"--engine", "torch", "--force"});
  const CommandResult torch = filter(words);
  ASSERT_EQ(torch.code, 0) << torch.error;
  const Json layers = Json::parse(torch.out)["layers"];
  EXPECT_THAT(layers, ElementsAre("block0_out", "block1_attn_out", "block1_mlp_out", "block1_out",
                                  "final_norm", "block1_attn_map"));
  const Json means = Json::parse(torch.out)["means"];
  ASSERT_EQ(means.size(), 11U);
  EXPECT_EQ(means[10]["kind"], "attention");
  EXPECT_GT(means[10]["miou"].get<double>(), 0.0);
  EXPECT_EQ(image::decode_file(out_ + "/0000-0.png").height, 6 * 24 + 5 * 4);
  // What both engines show is the same.
  for (const Json& mean : Json::parse(native.out)["means"]) {
    const auto same = std::ranges::find_if(means, [&](const Json& other) {
      return other["layer"] == mean["layer"] && other["kind"] == mean["kind"];
    });
    ASSERT_NE(same, means.end()) << mean;
    EXPECT_NEAR(mean["miou"].get<double>(), (*same)["miou"].get<double>(), 1e-6) << mean;
  }
}
#endif

/// How masks come to the model's size.
class MaskFolderTest : public ::testing::Test {
 protected:
  MaskFolderTest() {
    write_mask(dir_ / "m/a.png", 16, 16, 8);
    write_mask(dir_ / "p/a.png", 16, 16, 0);  // a picture of the same name
  }
  TempDir dir_;
};

TEST_F(MaskFolderTest, MasksTakeTheWayOfTheirImages) {
  image::EvalTransformOptions transform{.height = 8, .width = 8, .mode = image::EvalMode::kSquash};
  const std::vector<std::uint8_t> half =
      app::MaskFolder(dir_ / "m", transform).coverage(dir_ / "p/a.png");
  ASSERT_EQ(half.size(), 64U);
  EXPECT_EQ(half[0], 0);
  EXPECT_EQ(half[7], 255);
  EXPECT_EQ(half[59], 255 - half[60]);      // the edge lies between columns 3 and 4
  transform.mode = image::EvalMode::kAsIs;  // the centre of 8x8 is cut out
  const std::vector<std::uint8_t> cut =
      app::MaskFolder(dir_ / "m", transform).coverage(dir_ / "p/a.png");
  EXPECT_EQ((std::vector<std::uint8_t>(cut.begin(), cut.begin() + 8)),
            (std::vector<std::uint8_t>{0, 0, 0, 0, 255, 255, 255, 255}));
}

TEST_F(MaskFolderTest, ImagesOfOneNameAreRefused) {
  const app::MaskFolder masks(dir_ / "m", {});
  masks.require({"x/a.png"});
  EXPECT_THROW(masks.require({"x/a.png", "y/a.jpg"}), FormatError);
  EXPECT_THROW(masks.require({"x/a.png", "x/b.png"}), FormatError);
}

TEST_F(MaskFolderTest, ColoursCountAndTransparencyDoesNot) {
  image::Image mask(2, 2, 4);
  mask.pixels[2] = 9;        // blue of the first pixel
  mask.pixels[4 + 3] = 255;  // the second is black and opaque
  write_file_atomically(dir_ / "m/c.png", image::encode_png(mask));
  write_mask(dir_ / "p/c.png", 2, 2, 0);
  const app::MaskFolder masks(dir_ / "m",
                              {.height = 2, .width = 2, .mode = image::EvalMode::kAsIs});
  EXPECT_EQ(masks.coverage(dir_ / "p/c.png"), (std::vector<std::uint8_t>{255, 0, 0, 0}));
}

}  // namespace
}  // namespace conopa

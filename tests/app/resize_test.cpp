#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/conopa/model_store.h"
#include "apps/conopa/network.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::case_folder;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::read_plain;
using testing::run_command;
using testing::TempDir;

/// The model of the case, imported.
class ResizeCommandTest : public ::testing::Test {
 protected:
  ResizeCommandTest() {
    const std::string weights = case_folder("illama/resize_posembed_up") / "weights.pth";
    import_ = run_command({"import", weights, "--out", dir_ / "m", "--set", "heads=3"});
  }
  CommandResult resize(const std::string& size, const std::string& out) {
    return run_command({"resize", dir_ / "m", "--size", size, "--out", dir_ / out});
  }

  TempDir dir_;
  CommandResult import_;
};

TEST_F(ResizeCommandTest, EqualsTheReferenceNumbers) {
  const auto io =
      SafetensorsFile::open(case_folder("illama/resize_posembed_up") / "io.safetensors");

  ASSERT_EQ(resize("48", "big").code, 0);

  const app::StoredModel model = app::open_model(dir_ / "big");
  const std::vector<float> expected = io->read("pos_embed_new").to_f32();
  const std::vector<float> found = model.weights->read("pos_embed").to_f32();
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-6);
  const auto network =
      app::make_native_network(model, model.spec, {.precision = engine::Precision::kFp32});
  const std::vector<float> logits = network->logits(io->read("image"), 2);
  const std::vector<float> reference = io->read("logits").to_f32();
  ASSERT_EQ(logits.size(), reference.size());
  for (std::size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], reference[i], 1e-4);
}

TEST_F(ResizeCommandTest, TheSameSizeChangesNoWeight) {
  ASSERT_EQ(resize("32", "same").code, 0);

  EXPECT_EQ(read_plain(dir_ / "same/model.safetensors"), read_plain(dir_ / "m/model.safetensors"));
}

TEST_F(ResizeCommandTest, TakesHeightBeforeWidth) {
  ASSERT_EQ(resize("48x64", "wide").code, 0);

  const app::StoredModel model = app::open_model(dir_ / "wide");
  EXPECT_EQ(model.spec.height, 48);
  EXPECT_EQ(model.spec.width, 64);
  EXPECT_EQ(model.transform.width, 64);
  EXPECT_EQ(model.weights->info("pos_embed").shape, (Shape{1, 6 * 8 + 1, 48}));
}

TEST_F(ResizeCommandTest, UsualPreprocessingFollowsTheSize) {
  ASSERT_EQ(resize("384", "large").code, 0);

  EXPECT_EQ(app::open_model(dir_ / "large").transform.mode, image::EvalMode::kSquash);
}

TEST_F(ResizeCommandTest, StatedPreprocessingIsKept) {
  testing::write_plain(dir_ / "m/preprocessor_config.json",
                       R"({"height": 32, "width": 32, "resize_short": 40, "mean": [0.1]})");

  ASSERT_EQ(resize("64", "stated").code, 0);

  const image::EvalTransformOptions transform = app::open_model(dir_ / "stated").transform;
  EXPECT_EQ(transform.resize_short, 80);
  EXPECT_EQ(transform.mean, std::vector<double>{0.1});
  EXPECT_EQ(transform.mode, image::EvalMode::kCenterCrop);
}

TEST_F(ResizeCommandTest, RefusesSizesThatDoNotFit) {
  EXPECT_THAT(resize("50", "x").error, HasSubstr("multiple of the patch"));
  for (const char* size : {"50", "", "x", "48x", "x48", "-8", "48x48x48", "48 ", "1e3"}) {
    EXPECT_EQ(resize(size, "x").code, 2) << size;
  }
  EXPECT_FALSE(std::filesystem::exists(dir_ / "x"));
}

TEST_F(ResizeCommandTest, RefusesWeightsOfAnotherModel) {
  testing::write_small_model(dir_ / "other", {});
  std::filesystem::copy_file(dir_ / "other/model.safetensors", dir_ / "m/model.safetensors",
                             std::filesystem::copy_options::overwrite_existing);

  const CommandResult result = resize("48", "x");

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("do not fit config.json"));
}

}  // namespace
}  // namespace conopa

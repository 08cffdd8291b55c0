#include "apps/conopa/model_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using app::open_model;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::read_plain;
using testing::TempDir;
using testing::write_plain;
using testing::write_small_model;

TEST(ModelStoreTest, GivesBackWhatWasSaved) {
  const TempDir dir;
  write_small_model(dir / "m", {"a", "b \"quoted\"", "ç"});

  const app::StoredModel model = open_model(dir / "m");

  EXPECT_EQ(arch::spec_to_json(model.spec), arch::spec_to_json(testing::small_spec()));
  EXPECT_EQ(model.transform.height, 8);
  EXPECT_THAT(model.class_names, ElementsAre("a", "b \"quoted\"", "ç"));
  EXPECT_TRUE(model.weights->contains("head.weight"));
}

TEST(ModelStoreTest, RunFolderStandsForItsModel) {
  const TempDir dir;
  write_small_model(dir / "run/model", {"a", "b", "c"});
  write_plain(dir / "run/config.json", "{\"train\": {}}");  // the run's, not a model's

  EXPECT_EQ(open_model(dir / "run").path, dir / "run/model");
}

TEST(ModelStoreTest, UnfinishedRunPointsToItsCheckpoints) {
  const TempDir dir;
  std::filesystem::create_directories(dir / "run/checkpoints/last");

  const std::string message = message_of<IoError>([&] { (void)open_model(dir / "run"); });

  EXPECT_THAT(message, HasSubstr("checkpoints/last"));
}

TEST(ModelStoreTest, RefusesPreprocessingForAnotherSize) {
  const TempDir dir;
  write_small_model(dir / "m", {});
  write_plain(dir / "m/preprocessor_config.json", "{\"height\": 16, \"width\": 8}");

  EXPECT_THAT(message_of<ConfigError>([&] { (void)open_model(dir / "m"); }),
              HasSubstr("preprocessor_config.json] expected the input of the model, 8x8"));
}

TEST(ModelStoreTest, RefusesClassNamesThatAreNoList) {
  const TempDir dir;
  write_small_model(dir / "m", {});
  for (const char* names : {"{\"a\": 1}", "[\"a\", 2]", "[\"a\"", ""}) {
    const HostTensor none = HostTensor::zeros(DType::kF32, {1});
    const std::vector<NamedTensor> tensors{{"x", none}};
    write_safetensors(dir / "m/model.safetensors", tensors, {{"class_names", names}});

    EXPECT_THROW((void)open_model(dir / "m"), FormatError) << names;
  }
}

TEST(ModelStoreTest, NeverReplacesWithoutBeingTold) {
  const TempDir dir;
  write_small_model(dir / "m", {});
  const std::string before = read_plain(dir / "m/model.safetensors");
  app::NewModel other{.spec = testing::small_spec(),
                      .transform = app::default_transform(testing::small_spec()),
                      .class_names = {},
                      .tensors = {{"x", HostTensor::zeros(DType::kF32, {1})}},
                      .readme = {}};

  EXPECT_THROW(app::save_model(dir / "m", other, false), IoError);
  EXPECT_EQ(read_plain(dir / "m/model.safetensors"), before);
  app::save_model(dir / "m", other, true);
  EXPECT_NE(read_plain(dir / "m/model.safetensors"), before);
  EXPECT_FALSE(std::filesystem::exists(dir / "m/README.md"));
}

TEST(ModelStoreTest, NeverReplacesAFolderOfOtherThings) {
  const TempDir dir;
  std::filesystem::create_directories(dir / "m");
  write_plain(dir / "m/thesis.tex", "years of work");
  const app::NewModel model{.spec = testing::small_spec(),
                            .transform = app::default_transform(testing::small_spec()),
                            .class_names = {},
                            .tensors = {},
                            .readme = {}};

  EXPECT_THROW(app::save_model(dir / "m", model, true), IoError);
  EXPECT_EQ(read_plain(dir / "m/thesis.tex"), "years of work");
}

TEST(DefaultTransformTest, CropsBelow384AndSquashesFromThereOn) {
  arch::EncoderSpec spec;
  EXPECT_EQ(app::default_transform(spec).mode, image::EvalMode::kCenterCrop);
  EXPECT_EQ(app::default_transform(spec).crop_pct, 0.875);  // 224 / 0.875 = 256
  spec.height = spec.width = 384;
  EXPECT_EQ(app::default_transform(spec).mode, image::EvalMode::kSquash);
  spec.channels = 1;
  EXPECT_NO_THROW(app::default_transform(spec).validate());
}

TEST(DefaultTransformTest, FamiliesDecideWhetherLargeImagesAreSquashed) {
  arch::EncoderSpec spec;
  spec.height = spec.width = 448;
  spec.family = "visionllama";
  EXPECT_EQ(app::default_transform(spec).mode, image::EvalMode::kCenterCrop);
  EXPECT_EQ(app::default_transform(spec).crop_pct, 0.875);
  spec.family = "nobody";
  EXPECT_THROW(static_cast<void>(app::default_transform(spec)), ConfigError);
}

TEST(ClassNameTest, FallsBackToTheNumber) {
  EXPECT_EQ(app::class_name({"cat"}, 0), "cat");
  EXPECT_EQ(app::class_name({"cat"}, 1), "1");
  EXPECT_EQ(app::class_name({}, 7), "7");
}

}  // namespace
}  // namespace conopa

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/conopa/model_store.h"
#include "conopa/arch/init.h"
#include "conopa/io/pth.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::case_folder;
using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::run_command;
using ::testing::SizeIs;
using testing::TempDir;
using testing::write_plain;
using Json = nlohmann::json;

const std::string kState = case_folder("illama/train_step_soft_target") / "weights.pth";
const std::string kSegmentation = case_folder("illama/seg_backbone") / "weights.pth";
const std::string kSquare = case_folder("illama/resize_posembed_up") / "weights.pth";

// Arguments that state the model of the training-state case: 32x48 pixels, two heads.
std::vector<std::string> import_state(const std::string& out) {
  return {"import",  kState,  "--out",     out,     "--set",
          "heads=2", "--set", "height=32", "--set", "width=48"};
}

TEST(ImportCommandTest, ImportsAFullTrainingState) {
  const TempDir dir;

  const CommandResult result = run_command(import_state(dir / "m"));

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr("0 missing, 0 unexpected, 0 reshaped"));
  EXPECT_THAT(result.out, HasSubstr("epoch="));
  const app::StoredModel model = app::open_model(dir / "m");
  EXPECT_EQ(model.spec.num_classes, 5);
  EXPECT_EQ(model.spec.heads, 2);
  const auto source = PthFile::open(kState);
  const arch::TensorTable table(model.spec);
  EXPECT_THAT(model.weights->names(), SizeIs(table.entries().size()));
  for (const arch::TensorEntry& entry : table.entries()) {
    const HostTensor from = source->read(table.foreign_name(entry.name, "official"));
    EXPECT_EQ(model.weights->read(entry.name).to_f32(), from.to_f32()) << entry.name;
  }
  EXPECT_THAT(testing::read_plain(dir / "m/README.md"), HasSubstr("Imported from `weights.pth`"));
}

TEST(ImportCommandTest, AsksForTheSizeOfAGridThatIsNotSquare) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", kState, "--out", dir / "m", "--set", "heads=2"});

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("give height and width"));
  EXPECT_FALSE(std::filesystem::exists(dir / "m"));
}

TEST(ImportCommandTest, RefusesASizeThatDoesNotFitThePositions) {
  const TempDir dir;

  const CommandResult result = run_command({"import", kState, "--out", dir / "m", "--set",
                                            "heads=2", "--set", "height=32", "--set", "width=64"});

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("1 reshaped (pos_embed [1, 7, 32] for [1, 9, 32])"));
}

TEST(ImportCommandTest, ImportsABackboneWithNeckAndWithoutHead) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", kSegmentation, "--out", dir / "m", "--set", "heads=2", "--set",
                   "neck=deconv_pyramid", "--set", "feature_blocks=[0, 1, 2, 3]"});

  ASSERT_EQ(result.code, 0) << result.error;
  const app::StoredModel model = app::open_model(dir / "m");
  EXPECT_EQ(model.spec.num_classes, 0);
  const auto source = PthFile::open(kSegmentation);
  EXPECT_EQ(model.weights->read("fpn1.1.running_var").to_f32(),
            source->read("fpn1.1.running_var").to_f32());
  EXPECT_EQ(model.weights->read("fpn1.1.num_batches_tracked").to_i64(),
            source->read("fpn1.1.num_batches_tracked").to_i64());
}

TEST(ImportCommandTest, RefusesAPartialLoadAndWritesNothing) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", kSegmentation, "--out", dir / "m", "--set", "heads=2"});

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("11 unexpected"));
  EXPECT_THAT(result.error, HasSubstr("--partial"));
  EXPECT_THAT(result.out, HasSubstr("unexpected  fpn2.0.weight"));  // the whole list
  EXPECT_THAT(dir.names(), SizeIs(0));
}

TEST(ImportCommandTest, PartialGivesInitialValuesToWhatDoesNotFit) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", kSquare, "--out", dir / "m", "--set", "heads=3", "--set",
                   "num_classes=9", "--partial", "--seed", "7", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const Json report = Json::parse(result.out);
  EXPECT_THAT(report["missing"], SizeIs(0));
  ASSERT_THAT(report["reshaped"], SizeIs(2));
  EXPECT_EQ(report["reshaped"][0],
            Json({{"name", "head.weight"}, {"expected", {9, 48}}, {"found", {6, 48}}}));
  const app::StoredModel model = app::open_model(dir / "m");
  const arch::TensorTable table(model.spec);
  EXPECT_EQ(model.weights->read("head.weight").to_f32(),
            arch::initial_tensor(*table.find("head.weight"), 7).to_f32());
  EXPECT_EQ(model.weights->read("cls_token").to_f32(),
            PthFile::open(kSquare)->read("cls_token").to_f32());
}

TEST(ImportCommandTest, PartialStillNeedsSomethingThatFits) {
  const TempDir dir;

  const CommandResult result = run_command(
      {"import", kSquare, "--out", dir / "m", "--model", "illama_tiny_patch16_224", "--partial"});

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("no tensor fits"));
  EXPECT_THAT(dir.names(), SizeIs(0));
}

TEST(ImportCommandTest, ModelMayBeStatedInFull) {
  const TempDir dir;

  const CommandResult result = run_command(
      {"import", kSquare,        "--out", dir / "m",  "--model", "illama_tiny_patch16_224",
       "--set",  "dim=48",       "--set", "depth=2",  "--set",   "heads=3",
       "--set",  "height=32",    "--set", "width=32", "--set",   "patch=8",
       "--set",  "num_classes=6"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(app::open_model(dir / "m").spec.mlp_hidden, 256);
}

TEST(ImportCommandTest, RoundsWeightsToTheWantedType) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", kSquare, "--out", dir / "m", "--set", "heads=3", "--dtype", "bf16"});

  ASSERT_EQ(result.code, 0) << result.error;
  const HostTensor stored = app::open_model(dir / "m").weights->read("head.weight");
  EXPECT_EQ(stored.dtype(), DType::kBF16);
  const std::vector<float> exact = PthFile::open(kSquare)->read("head.weight").to_f32();
  const std::vector<float> rounded = stored.to_f32();
  for (std::size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rounded[i], bf16_to_float(float_to_bf16(exact[i])));
  }
}

TEST(ImportCommandTest, DryRunReportsAndWritesNothing) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", kSquare, "--dry-run", "--set", "heads=3", "--json"});

  EXPECT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(Json::parse(result.out)["spec"]["dim"], 48);
  EXPECT_EQ(Json::parse(result.out)["scheme"], "official");
  EXPECT_FALSE(Json::parse(result.out).contains("out"));
}

TEST(ImportCommandTest, StoresClassNamesIfThereIsOneForEveryClass) {
  const TempDir dir;
  write_plain(dir / "five.txt", "a\nb\nc\nd\ne\n");
  write_plain(dir / "six.txt", "a\nb\nc\nd\ne\nf\n");
  const auto import_with = [&](const std::string& names) {
    return run_command(
        {"import", kSquare, "--out", dir / "m", "--set", "heads=3", "--class-names", names});
  };

  EXPECT_EQ(import_with(dir / "five.txt").code, 2);
  EXPECT_FALSE(std::filesystem::exists(dir / "m"));
  ASSERT_EQ(import_with(dir / "six.txt").code, 0);
  EXPECT_EQ(app::open_model(dir / "m").class_names.at(5), "f");
}

TEST(ImportCommandTest, PreprocessingCanBeStated) {
  const TempDir dir;

  const CommandResult result = run_command(
      {"import", kSquare, "--out", dir / "m", "--set", "heads=3", "--preprocess", "crop_pct=0.5"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(app::open_model(dir / "m").transform.crop_pct, 0.5);
}

TEST(ImportCommandTest, ReplacesOnlyWithForce) {
  const TempDir dir;
  ASSERT_EQ(run_command(import_state(dir / "m")).code, 0);

  const CommandResult refused = run_command(import_state(dir / "m"));
  std::vector<std::string> forced = import_state(dir / "m");
  forced.emplace_back("--force");

  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.error, HasSubstr("--force"));
  EXPECT_EQ(run_command(forced).code, 0);
}

TEST(ImportCommandTest, ExplainsWrongSettings) {
  const TempDir dir;

  const CommandResult unknown =
      run_command({"import", kSquare, "--out", dir / "m", "--set", "head=3"});
  const CommandResult key = run_command({"import", kSquare, "--out", dir / "m", "--key", "nope"});

  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.error, HasSubstr("heads"));
  EXPECT_EQ(key.code, 3);
  EXPECT_THAT(key.error, HasSubstr("nope"));
  EXPECT_EQ(run_command({"import", kSquare}).code, 2);  // neither --out nor --dry-run
}

TEST(ImportCommandTest, RefusesGarbage) {
  const TempDir dir;
  write_plain(dir / "text.pth", "this is no checkpoint");
  write_plain(dir / "empty.pth", "");
  const std::string whole = testing::read_plain(kSquare);
  write_plain(dir / "cut.pth", whole.substr(0, whole.size() / 2));

  for (const char* name : {"text.pth", "empty.pth", "cut.pth", "absent.pth"}) {
    const CommandResult result = run_command({"import", dir / name, "--out", dir / "m"});
    EXPECT_EQ(result.code, 3) << name;
    EXPECT_THAT(result.error, Not(HasSubstr("\n")));
    EXPECT_FALSE(std::filesystem::exists(dir / "m"));
  }
}

}  // namespace
}  // namespace conopa

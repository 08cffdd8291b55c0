#ifdef CONOPA_TRAIN

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/conopa/model_store.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::read_plain;
using testing::run_command;
using testing::TempDir;

/// A small model and a folder of images of two classes.
class ProbeCommandTest : public ::testing::Test {
 protected:
  ProbeCommandTest() {
    testing::write_small_model(dir_ / "m", {"a", "b", "c"});
    for (const char* split : {"train", "val"}) {
      for (int i = 0; i < 6; ++i) {
        const char* name = i % 2 == 0 ? "even" : "odd";
        testing::write_png(
            std::filesystem::path(dir_ / "data") / split / name / fmt::format("{}.png", i), i);
      }
    }
  }
  CommandResult probe(std::vector<std::string> more) {
    std::vector<std::string> words{"probe",   dir_ / "m",   "--data",      dir_ / "data",
                                   "--out",   dir_ / "out", "--epochs",    "2",
                                   "--batch", "3",          "--lr",        "1e-3,1e-2",
                                   "--wd",    "0.1",        "--precision", "fp32"};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  }

  TempDir dir_;
};

TEST_F(ProbeCommandTest, WritesModelTableHeadAndReport) {
  const CommandResult result = probe({"--layers", "0;final", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const auto json = nlohmann::json::parse(result.out);
  ASSERT_EQ(json["rows"].size(), 4U);
  const app::StoredModel model = app::open_model(dir_ / "out/model");
  EXPECT_EQ(model.spec.read_out, arch::ReadOut::kAttention);
  EXPECT_EQ(model.spec.num_classes, 2);
  EXPECT_EQ(model.class_names, (std::vector<std::string>{"even", "odd"}));
  app::check_weights(model);
  const app::StoredModel before = app::open_model(dir_ / "m");
  EXPECT_EQ(model.weights->read("blocks.0.attn.qkv.weight").to_f32(),
            before.weights->read("blocks.0.attn.qkv.weight").to_f32());
  EXPECT_THAT(read_plain(dir_ / "out/probe.csv"), HasSubstr("layers,lr,wd,top1,top5,loss"));
  EXPECT_TRUE(SafetensorsFile::open(dir_ / "out/head.safetensors")->contains("head.cls_token"));
  EXPECT_THAT(read_plain(dir_ / "out/report.html"), HasSubstr("Probes"));
}

TEST_F(ProbeCommandTest, TheModelScoresAsTheTableSays) {
  const CommandResult result = probe({"--layers", "0", "--dtype", "f32", "--json"});
  ASSERT_EQ(result.code, 0) << result.error;
  const auto json = nlohmann::json::parse(result.out);
  const auto& best = json["rows"][json["best"].get<std::size_t>()];

  const CommandResult scored = run_command({"eval", dir_ / "out/model", "--data", dir_ / "data",
                                            "--engine", "torch", "--precision", "fp32", "--json"});
  ASSERT_EQ(scored.code, 0) << scored.error;
  EXPECT_NEAR(nlohmann::json::parse(scored.out)["loss"].get<double>(), best["loss"].get<double>(),
              1e-4);
}

TEST_F(ProbeCommandTest, RefusesWhatItCannotRun) {
  EXPECT_THAT(probe({"--layers", "1"}).error, HasSubstr("the model has the blocks 0..0"));
  EXPECT_THAT(probe({"--layers", "fast"}).error, HasSubstr("expected own, final"));
  EXPECT_THAT(probe({"--set", "depth=1"}).error, HasSubstr("belongs to the weights"));
  ASSERT_EQ(probe({"--layers", "0"}).code, 0);
  EXPECT_THAT(probe({"--layers", "0"}).error, HasSubstr("--force"));
}

}  // namespace
}  // namespace conopa

#endif

// Runs of models with a language block: what is trained, what checkpoints hold, what is refused.

#include "conopa/train/language.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/engine/session.h"
#include "conopa/engine/stored_model.h"
#include "conopa/io/safetensors.h"
#include "conopa/llm/source.h"
#include "conopa/llm/write.h"
#include "conopa/train/trainer.h"
#include "tests/llm/small_lm.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

using ::testing::HasSubstr;

std::filesystem::path write_lm(const TestFolder& folder, const char* name, std::uint64_t seed = 0) {
  const llm::LmConfig config = conopa::testing::small_llama();
  llm::write_meta(folder / name, config, conopa::testing::random_llama(config, DType::kF32, seed));
  return folder / name;
}

RunConfig language_config(const std::filesystem::path& run, const std::filesystem::path& lm,
                          LanguageMode mode = LanguageMode::kFrozen) {
  RunConfig config = toy_config(run);
  config.llm.mode = mode;
  config.llm.source = lm.string();
  return config;
}

std::vector<std::string> stored_names(const std::filesystem::path& folder) {
  return SafetensorsFile::open(folder / "model.safetensors")->names();
}

bool holds_layers(const std::filesystem::path& folder) {
  const std::vector<std::string> names = stored_names(folder);
  return std::ranges::any_of(
      names, [](const std::string& name) { return name.starts_with("llm.layers."); });
}

std::string failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(LanguageRunTest, CheckpointsLeaveTheFrozenBlockToItsSource) {
  const TestFolder folder;
  const auto lm = write_lm(folder, "lm");
  RunConfig config = language_config(folder / "run", lm);
  config.train.ema_decay = 0.9;
  config.llm.layers = "0,2";
  Trainer trainer(config, toy_parts(), {});
  static_cast<void>(trainer.run());
  for (const char* part : {"model", "checkpoints/last", "checkpoints/best"}) {
    const auto stored = folder / "run" / part;
    EXPECT_FALSE(holds_layers(stored)) << part;
    EXPECT_THAT(stored_names(stored), ::testing::Contains("llm.mapper1.weight")) << part;
    const auto record = llm::read_record(stored);
    ASSERT_TRUE(record) << part;
    EXPECT_EQ(record->layers, (std::vector<std::int64_t>{0, 2}));
    EXPECT_THAT(record->description, HasSubstr("consolidated.00.pth"));
  }
  // The block is what the source says, not what training made of it.
  const llm::LmTensors layer = llm::LmSource::open(lm).layer(2);
  EXPECT_EQ(trainer.task().parameters().to_host().at("llm.layers.1.mlp.up.weight").to_f32(),
            layer.at("mlp.up.weight").to_f32());
}

TEST(LanguageRunTest, TheEngineReadsTheBlockAgain) {
  const TestFolder folder;
  const auto lm = write_lm(folder, "lm");
  Trainer trainer(language_config(folder / "run", lm), toy_parts(), {});
  static_cast<void>(trainer.run());
  const engine::StoredModel stored = engine::open_model(folder / "run");
  EXPECT_TRUE(stored.weights->contains("llm.layers.0.attn.qkv.weight"));
  engine::Session session(
      engine::Model::load(stored.spec, *stored.weights, {.precision = engine::Precision::kFp32}),
      {});
  EXPECT_EQ(session.model().spec().llm.hidden, conopa::testing::small_llama().hidden);

  std::filesystem::remove_all(lm);
  EXPECT_THAT(failure_of([&] { static_cast<void>(engine::open_model(folder / "run")); }),
              HasSubstr("lm"));
  write_lm(folder, "lm", 1);  // another model in its place
  EXPECT_THAT(failure_of([&] { static_cast<void>(engine::open_model(folder / "run")); }),
              HasSubstr("language block"));
}

TEST(LanguageRunTest, ResumesToTheSameBytesAndRefusesAnotherBlock) {
  const TestFolder folder;
  const auto lm = write_lm(folder, "lm");
  static_cast<void>(Trainer(language_config(folder / "straight", lm), toy_parts(), {}).run());
  const RunConfig config = language_config(folder / "resumed", lm);
  RunOptions stop;
  int calls = 0;
  stop.stop = [&calls] { return ++calls > 5; };
  EXPECT_EQ(Trainer(config, toy_parts(), stop).run().status, RunStatus::kInterrupted);

  RunConfig other = config;
  other.llm.source = write_lm(folder, "other", 1).string();
  RunOptions again;
  again.resume = Resume::kAuto;
  EXPECT_THAT(failure_of([&] { static_cast<void>(Trainer(other, toy_parts(), again).run()); }),
              HasSubstr("language block"));

  static_cast<void>(Trainer(config, toy_parts(), again).run());
  EXPECT_EQ(read_bytes(folder / "resumed/model/model.safetensors"),
            read_bytes(folder / "straight/model/model.safetensors"));
}

TEST(LanguageRunTest, ModesTrainWhatTheySay) {
  const TestFolder folder;
  const auto lm = write_lm(folder, "lm");
  struct Row {
    LanguageMode mode;
    bool blocks_trained, stored, same_as_source;
  };
  for (const Row& row : {Row{LanguageMode::kFrozen, false, false, true},
                         Row{LanguageMode::kFinetune, true, true, true},
                         Row{LanguageMode::kRandom, true, true, false},
                         Row{LanguageMode::kFrozenRandom, false, false, false},
                         Row{LanguageMode::kOnlyMlp, false, false, true}}) {
    SCOPED_TRACE(enum_name(row.mode));
    const auto run = folder / std::string(enum_name(row.mode));
    Trainer trainer(language_config(run, lm, row.mode), toy_parts(), {});
    const std::string name = "llm.layers.0.mlp.up.weight";
    const auto up = [&] { return trainer.task().parameters().to_host().at(name).to_f32(); };
    const std::vector<float> before = up();
    EXPECT_EQ(before == llm::LmSource::open(lm).layer(2).at("mlp.up.weight").to_f32(),
              row.same_as_source);
    static_cast<void>(trainer.run());
    EXPECT_EQ(up() != before, row.blocks_trained);
    EXPECT_EQ(holds_layers(run / "model"), row.stored);
    EXPECT_NO_THROW(engine::check_weights(engine::open_model(run)));
  }
}

TEST(LanguageRunTest, FewerBitsTrainAndResume) {
  const TestFolder folder;
  RunConfig config = language_config(folder / "run", write_lm(folder, "lm"));
  config.llm.storage = nn::FrozenStorage::kInt8;
  Trainer trainer(config, toy_parts(), {});
  static_cast<void>(trainer.run());
  EXPECT_EQ(trainer.task().parameters().require("llm.layers.0.mlp.up.weight").element_size(), 1U);
  EXPECT_TRUE(engine::open_model(folder / "run").weights->contains("llm.layers.0.norm1.weight"));
}

TEST(LanguageOptionsTest, RefusesWhatIsNotThere) {
  const TestFolder folder;
  const auto lm = write_lm(folder, "lm");
  const auto failure = [&](const std::function<void(LanguageOptions&)>& edit) {
    LanguageOptions options{.mode = LanguageMode::kFrozen, .source = lm.string()};
    edit(options);
    return failure_of([&] {
      arch::EncoderSpec spec;
      options.apply(spec);
    });
  };
  EXPECT_EQ(failure([](LanguageOptions&) {}), "");
  EXPECT_THAT(failure([](LanguageOptions& o) { o.layers = "32"; }), HasSubstr("32"));
  EXPECT_THAT(failure([](LanguageOptions& o) { o.source = ""; }), HasSubstr("llm.source"));
  EXPECT_THAT(failure([](LanguageOptions& o) { o.place = "roof"; }), HasSubstr("place"));
  EXPECT_THAT(failure([](LanguageOptions& o) { o.place = "13"; }), HasSubstr("0..12"));
  EXPECT_THAT(failure([](LanguageOptions& o) { o.mode = LanguageMode::kNone; }), HasSubstr("mode"));
}

TEST(LanguageOptionsTest, AFrozenBlockWithoutWeightsIsRefused) {
  RunConfig config = toy_config("unused");
  config.model.spec.llm.unit = arch::LanguageUnit::kBlock;
  EXPECT_THAT(failure_of([&] { config.validate(); }), HasSubstr("llm.source"));
}

}  // namespace
}  // namespace conopa::train

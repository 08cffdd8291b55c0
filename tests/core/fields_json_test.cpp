#include "conopa/core/fields_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "tests/core/sample_options.h"
#include "tests/core/thrown.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::SampleRecipe;

SampleRecipe full_sample() {
  SampleRecipe recipe;
  recipe.name = "tab\t\"quote\" \\ ué \x7f\x01";
  recipe.classes = {"", "a\nb"};
  recipe.verbose = false;
  recipe.train.lr_peak = 0.1;
  recipe.train.epochs = std::numeric_limits<std::int64_t>::min();
  recipe.train.betas = {1.0, 1e-300, 1e20, -0.0, std::numeric_limits<double>::denorm_min()};
  recipe.train.milestones = {std::numeric_limits<std::int64_t>::max(), 0};
  recipe.train.optimizer = testing::Optimizer::kLamb;
  return recipe;
}

std::string refusal(std::string_view text) {
  SampleRecipe recipe;
  return message_of<ConfigError>([&] { from_json(text, "c.json", recipe); });
}

TEST(FieldsJsonTest, WritesFieldsInOrderWithNestedSections) {
  EXPECT_EQ(to_json(SampleRecipe{}), R"({
  "name": "unnamed",
  "train": {
    "lr_peak": 0.001,
    "epochs": 3,
    "amp": false,
    "optimizer": "adamw",
    "betas": [0.9, 0.999],
    "ema": {
      "decay": 0.9999
    },
    "milestones": []
  },
  "classes": ["shirt", "bag"],
  "verbose": true
}
)");
}

TEST(FieldsJsonTest, JsonRoundTripIsExact) {
  const SampleRecipe recipe = full_sample();
  SampleRecipe back;
  from_json(to_json(recipe), "c.json", back);
  EXPECT_EQ(back, recipe);
}

TEST(FieldsJsonTest, TomlRoundTripIsExact) {
  const SampleRecipe recipe = full_sample();
  SampleRecipe back;
  Config::parse(to_toml(recipe), "r.toml").read(back);
  EXPECT_EQ(back, recipe);
}

TEST(FieldsJsonTest, NonFiniteNumbersSurviveBothRoundTrips) {
  SampleRecipe recipe;
  recipe.train.betas = {HUGE_VAL, -HUGE_VAL, std::nan("")};
  SampleRecipe json;
  SampleRecipe toml;
  from_json(to_json(recipe), "c.json", json);
  Config::parse(to_toml(recipe), "r.toml").read(toml);
  for (const SampleRecipe& back : {json, toml}) {
    ASSERT_EQ(back.train.betas.size(), 3U);
    EXPECT_EQ(back.train.betas[0], HUGE_VAL);
    EXPECT_EQ(back.train.betas[1], -HUGE_VAL);
    EXPECT_TRUE(std::isnan(back.train.betas[2]));
  }
}

TEST(FieldsJsonTest, TomlPutsValuesBeforeTables) {
  EXPECT_EQ(to_toml(SampleRecipe{}), R"(name = "unnamed"
classes = ["shirt", "bag"]
verbose = true

[train]
lr_peak = 0.001
epochs = 3
amp = false
optimizer = "adamw"
betas = [0.9, 0.999]
milestones = []

[train.ema]
decay = 0.9999
)");
}

TEST(FieldsJsonTest, InvalidUtf8IsReplacedNotThrown) {
  SampleRecipe recipe;
  recipe.name = "a\xff";
  EXPECT_THAT(to_json(recipe), HasSubstr("a\xEF\xBF\xBD"));
}

TEST(FieldsJsonTest, DescribesKeysDefaultsChoicesAndHelp) {
  const std::string text = describe(SampleRecipe{});
  EXPECT_THAT(text, HasSubstr("| `train.lr_peak` | `0.001` | peak learning rate |\n"));
  EXPECT_THAT(text, HasSubstr("| `train.optimizer` | `\"adamw\"` | update rule (one of: adamw, "
                              "sgd, lamb) |\n"));
  EXPECT_THAT(text, HasSubstr("| `train.amp` | `false` | use bf16 \\| fp16 |\n"));
  EXPECT_THAT(text, HasSubstr("| `train.ema.decay` | `0.9999` | per step |\n"));
  EXPECT_THAT(text, HasSubstr("| `classes` | `[\"shirt\", \"bag\"]` |"));
}

TEST(FieldsJsonTest, FillsPresentFieldsAndKeepsOthers) {
  SampleRecipe recipe;
  recipe.train.epochs = 8;
  from_json(R"({"train": {"lr_peak": 2, "betas": [1, 0.5]}})", "c.json", recipe);
  EXPECT_EQ(recipe.train.lr_peak, 2.0);
  EXPECT_EQ(recipe.train.epochs, 8);
  EXPECT_THAT(recipe.train.betas, ElementsAre(1.0, 0.5));
}

TEST(FieldsJsonTest, RefusesUnknownAndDuplicateKeys) {
  EXPECT_EQ(refusal(R"({"train": {"epohcs": 1}})"),
            "[c.json] unknown key 'train.epohcs'; did you mean 'epochs'?");
  EXPECT_EQ(refusal(R"({"name": "a", "name": "b"})"),
            "[c.json] key 'name' stands twice in one object");
}

TEST(FieldsJsonTest, RefusesWrongTypes) {
  EXPECT_EQ(refusal(R"({"name": 1})"), "[c.json] name: expected a string, found integer 1");
  EXPECT_EQ(refusal(R"({"name": null})"), "[c.json] name: expected a string, found null");
  EXPECT_EQ(refusal(R"({"train": [1]})"), "[c.json] train: expected a table, found an array");
  EXPECT_EQ(refusal(R"({"train": {"epochs": 1.0}})"),
            "[c.json] train.epochs: expected an integer, found number 1");
  EXPECT_EQ(refusal(R"({"train": {"optimizer": "sdg"}})"),
            "[c.json] train.optimizer: expected one of adamw, sgd, lamb; found 'sdg'; did you mean "
            "'sgd'?");
  EXPECT_EQ(refusal("[1]"), "[c.json] expected a JSON object, found an array");
}

TEST(FieldsJsonTest, RefusesIntegersBeyond64Bits) {
  for (const char* number :
       {"9223372036854775808", "18446744073709551616", "-9223372036854775809"}) {
    EXPECT_EQ(refusal(fmt::format(R"({{"train": {{"epochs": {}}}}})", number)),
              "[c.json] train.epochs: expected an integer, found an integer beyond 64 bits");
  }
}

TEST(FieldsJsonTest, RefusesDamagedText) {
  for (const char* text : {"", "{", "{\"a\":}", "{} x", "{\"name\": \"\xff\"}", "{\"name\": NaN}",
                           "{\"train\": {\"lr_peak\": 1e999}}"}) {
    EXPECT_THAT(refusal(text), HasSubstr("[c.json] not valid JSON")) << text;
  }
}

TEST(FieldsJsonTest, BoundsDepthAndSize) {
  EXPECT_THAT(refusal("{\"a\":" + std::string(1'000'000, '[')), HasSubstr("nest 32 deep at most"));
  EXPECT_THAT(refusal(std::string((4U << 20) + 1, ' ')), HasSubstr("bytes at most"));
}

TEST(FieldsJsonTest, CollectsUnknownKeysOfForeignFilesAndIgnoresNull) {
  SampleRecipe recipe;
  std::vector<std::string> unknown{"earlier"};
  from_json(R"({"model_type": "x", "name": null, "train": {"epochs": 4, "foreign": {"a": 1}},
                "classes": ["z"]})",
            "c.json", recipe, &unknown);
  EXPECT_EQ(recipe.name, "unnamed");
  EXPECT_EQ(recipe.train.epochs, 4);
  EXPECT_THAT(recipe.classes, ElementsAre("z"));
  EXPECT_THAT(unknown, ElementsAre("earlier", "model_type", "train.foreign"));
}

TEST(FieldsJsonTest, OptionsStayUnchangedOnAnError) {
  SampleRecipe recipe;
  EXPECT_THROW(from_json(R"({"name": "after", "zzz": 1})", "c.json", recipe), ConfigError);
  EXPECT_EQ(recipe, SampleRecipe{});
}

}  // namespace
}  // namespace conopa

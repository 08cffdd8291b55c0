#include "conopa/core/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "conopa/core/error.h"
#include "tests/core/sample_options.h"
#include "tests/core/thrown.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::Optimizer;
using testing::SampleRecipe;
using testing::SampleTrain;

SampleRecipe parse(std::string_view text, const std::vector<std::string>& overrides = {}) {
  SampleRecipe recipe;
  Config::parse(text, "r.toml", overrides).read(recipe);
  return recipe;
}

std::string refusal(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return message_of<ConfigError>([&] { (void)parse(text, overrides); });
}

TEST(ConfigTest, FillsPresentFieldsAndKeepsDefaults) {
  const SampleRecipe recipe = parse(R"(
    name = "a"
    classes = ["x"]
    [train]
    epochs = 12
    optimizer = "sgd"
    milestones = [3, 6]
    [train.ema]
    decay = 0.5
  )");
  SampleRecipe expected;
  expected.name = "a";
  expected.classes = {"x"};
  expected.train.epochs = 12;
  expected.train.optimizer = Optimizer::kSgd;
  expected.train.milestones = {3, 6};
  expected.train.ema.decay = 0.5;
  EXPECT_EQ(recipe, expected);
}

TEST(ConfigTest, EmptyTextLeavesDefaults) { EXPECT_EQ(parse(""), SampleRecipe{}); }

TEST(ConfigTest, AcceptsIntegersForNumbers) {
  const SampleRecipe recipe = parse("train = {lr_peak = 2, betas = [0, 1.5]}");
  EXPECT_EQ(recipe.train.lr_peak, 2.0);
  EXPECT_THAT(recipe.train.betas, ElementsAre(0.0, 1.5));
}

TEST(ConfigTest, AcceptsInfiniteNumbers) {
  EXPECT_TRUE(std::isinf(parse("train.lr_peak = inf").train.lr_peak));
}

TEST(ConfigTest, UnknownKeyIsRefusedWithLineColumnAndNearestName) {
  EXPECT_EQ(refusal("[train]\nepochs = 1\n  lr_paek = 2\n"),
            "[r.toml:3:3] unknown key 'train.lr_paek'; did you mean 'lr_peak'?");
}

TEST(ConfigTest, UnknownKeyInNestedSectionIsRefused) {
  EXPECT_EQ(refusal("[train.ema]\ndecya = 2\n"),
            "[r.toml:2:1] unknown key 'train.ema.decya'; did you mean 'decay'?");
}

TEST(ConfigTest, UnknownTableIsRefused) {
  EXPECT_EQ(refusal("[trian]\nepochs = 1\n"),
            "[r.toml:1:2] unknown key 'trian'; did you mean 'train'?");
}

TEST(ConfigTest, UnlikeKeyIsRefusedWithTheKnownNames) {
  EXPECT_EQ(refusal("zzz = 1"),
            "[r.toml:1:1] unknown key 'zzz'; known here: classes, name, train, verbose");
}

TEST(ConfigTest, SeveralUnknownKeysAreCounted) {
  EXPECT_THAT(refusal("nmae = 1\nverbsoe = 2\n"),
              HasSubstr("(1 more unknown, next: 'verbsoe' at r.toml:2:1)"));
}

TEST(ConfigTest, WrongTypesAreRefused) {
  EXPECT_EQ(refusal("name = 3"), "[r.toml:1:1] name: expected a string, found integer 3");
  EXPECT_EQ(refusal("train.epochs = 3.5"),
            "[r.toml:1:7] train.epochs: expected an integer, found number 3.5");
  EXPECT_EQ(refusal("verbose = \"yes\""),
            "[r.toml:1:1] verbose: expected true or false, found string 'yes'");
  EXPECT_EQ(refusal("train = 1"), "[r.toml:1:1] train: expected a table, found integer 1");
  EXPECT_EQ(refusal("classes = \"a\""),
            "[r.toml:1:1] classes: expected an array, each element a string, found string 'a'");
  EXPECT_EQ(refusal("classes = [\"a\",\n 2]"),
            "[r.toml:2:2] classes[1]: expected a string, found integer 2");
  EXPECT_EQ(refusal("name = 2020-01-01"),
            "[r.toml:1:1] name: expected a string, found a date or time");
  EXPECT_EQ(refusal("[[train]]\n"), "[r.toml:1:3] train: expected a table, found an array");
}

TEST(ConfigTest, ValueOutsideChoicesIsRefusedWithNearest) {
  EXPECT_EQ(refusal("train.optimizer = \"adam\""),
            "[r.toml:1:7] train.optimizer: expected one of adamw, sgd, lamb; found 'adam'; did you "
            "mean 'adamw'?");
}

TEST(ConfigTest, OptionsStayUnchangedOnAnError) {
  SampleRecipe recipe;
  recipe.name = "before";
  Config config = Config::parse("name = \"after\"\nzzz = 1", "r.toml");
  EXPECT_THROW(config.read(recipe), ConfigError);
  EXPECT_EQ(recipe.name, "before");
}

TEST(ConfigTest, SyntaxErrorNamesLineAndColumn) {
  EXPECT_THAT(refusal("name = \"a\"\nverbose = = 1"), HasSubstr("[r.toml:2:11] not valid TOML"));
  EXPECT_THAT(refusal("name = 1\nname = 2"), HasSubstr("[r.toml:2:8] not valid TOML"));
}

TEST(ConfigTest, LettersOutsideAsciiNeedQuotes) {
  EXPECT_EQ(refusal("name = \"é\"\n  ü = 1"),
            "[r.toml:2:3] not valid TOML: letters outside ASCII need quotes, also in keys");
  EXPECT_THAT(refusal("\xEF\xBA\xBF"), HasSubstr("[r.toml:1:1] not valid TOML"));
  EXPECT_EQ(parse("# ñ\nname = 'é'").name, "é");
  EXPECT_EQ(parse("\xEF\xBB\xBFname = 'é'").name, "é");
}

TEST(ConfigTest, OverridesTakeTomlValues) {
  const SampleRecipe recipe =
      parse("train.epochs = 1", {"train.epochs=5", "train.lr_peak=1e-4", "verbose=false",
                                 "train.betas=[0.5, 0.25]", "train.ema={decay = 0.75}"});
  EXPECT_EQ(recipe.train.epochs, 5);
  EXPECT_EQ(recipe.train.lr_peak, 1e-4);
  EXPECT_FALSE(recipe.verbose);
  EXPECT_THAT(recipe.train.betas, ElementsAre(0.5, 0.25));
  EXPECT_EQ(recipe.train.ema.decay, 0.75);
}

TEST(ConfigTest, OverridesFallBackToPlainText) {
  EXPECT_EQ(parse("", {"name=a b=c"}).name, "a b=c");
  EXPECT_EQ(parse("", {"name="}).name, "");
  EXPECT_EQ(parse("", {"name=\"quoted\""}).name, "quoted");
  EXPECT_EQ(parse("", {"name=größe"}).name, "größe");
  EXPECT_EQ(parse("", {"name=1\nverbose = false"}).name, "1\nverbose = false");
  EXPECT_EQ(parse("", {"train.optimizer=lamb"}).train.optimizer, Optimizer::kLamb);
}

TEST(ConfigTest, OverrideOfStringFieldIsTakenLiterally) {
  EXPECT_EQ(parse("", {"name=007.50"}).name, "007.50");
  EXPECT_EQ(parse("", {"name=true"}).name, "true");
}

TEST(ConfigTest, OverrideArrayElementsKeepTheirTypes) {
  EXPECT_EQ(refusal("", {"classes=[\"a\", 1]"}),
            "[--set classes=[\"a\", 1]] classes[1]: expected a string, found integer 1");
}

TEST(ConfigTest, LaterOverrideWins) {
  EXPECT_EQ(parse("", {"train.epochs=5", "train.epochs=6"}).train.epochs, 6);
}

TEST(ConfigTest, BadOverridesAreRefused) {
  EXPECT_EQ(refusal("", {"train.epohcs=1"}),
            "[--set train.epohcs=1] unknown key 'train.epohcs'; did you mean 'epochs'?");
  EXPECT_THAT(refusal("", {"train.epochs"}), HasSubstr("expected key=value"));
  EXPECT_THAT(refusal("", {"=1"}), HasSubstr("expected key=value"));
  EXPECT_THAT(refusal("", {"train..epochs=1"}), HasSubstr("expected key=value"));
  EXPECT_THAT(refusal("", {""}), HasSubstr("expected key=value"));
  EXPECT_EQ(refusal("name = \"a\"", {"name.x=1"}),
            "[--set name.x=1] 'name' is string 'a' at r.toml:1:1, not a table");
  EXPECT_EQ(refusal("", {"train.epochs=many"}),
            "[--set train.epochs=many] train.epochs: expected an integer, found string 'many'");
}

TEST(ConfigTest, SectionsAreReadByDifferentStructs) {
  Config config = Config::parse("name = \"n\"\n[train]\nepochs = 9\n[data]\ndecay = 0.25\n", "r");
  SampleTrain train;
  SampleTrain::Ema data;
  SampleRecipe top;
  config.read_section("train", train);
  config.read_section("data", data);
  config.read_section("absent", data);
  EXPECT_EQ(train.epochs, 9);
  EXPECT_EQ(data.decay, 0.25);
  EXPECT_THROW(config.refuse_unknown(), ConfigError);  // nobody has asked for name yet
  config.read_some(top);
  EXPECT_EQ(top.name, "n");
  EXPECT_NO_THROW(config.refuse_unknown());
}

TEST(ConfigTest, RefuseUnknownKnowsTheSectionsAskedFor) {
  Config config = Config::parse("[modle]\nx = 1\n[train]\nepohcs = 1", "r");
  SampleTrain train;
  config.read_section("model", train);
  config.read_section("train", train);
  const std::string message = message_of<ConfigError>([&] { config.refuse_unknown(); });
  EXPECT_EQ(message,
            "[r:1:2] unknown key 'modle'; did you mean 'model'? (1 more unknown, next: "
            "'train.epohcs' at r:4:1)");
}

TEST(ConfigTest, NestedSectionIsReadByItsDottedName) {
  Config config = Config::parse("[train.ema]\ndecay = 0.25", "r");
  SampleTrain::Ema ema;
  config.read_section("train.ema", ema);
  EXPECT_EQ(ema.decay, 0.25);
  EXPECT_NO_THROW(config.refuse_unknown());
}

TEST(ConfigTest, SectionThatIsNoTableIsRefused) {
  Config config = Config::parse("train = 3", "r");
  SampleTrain train;
  EXPECT_EQ(message_of<ConfigError>([&] { config.read_section("train", train); }),
            "[r:1:1] train: expected a table, found integer 3");
}

TEST(ConfigTest, PeeksWithoutCountingAsRead) {
  const Config config = Config::parse("[model]\nfamily = \"vit\"\ndepth = 2", "r");
  EXPECT_EQ(config.peek_string("model.family"), "vit");
  EXPECT_EQ(config.peek_string("model.absent"), std::nullopt);
  EXPECT_EQ(config.peek_string("model.family.deeper"), std::nullopt);
  EXPECT_THROW((void)config.peek_string("model.depth"), ConfigError);
  EXPECT_TRUE(config.has("model.depth"));
  EXPECT_FALSE(config.has("depth"));
  EXPECT_THAT(config.keys("model"), ::testing::UnorderedElementsAre("family", "depth"));
  EXPECT_THAT(config.keys("nothing"), ::testing::IsEmpty());
  EXPECT_EQ(config.where("model.depth"), "r:3:1");
  EXPECT_EQ(config.where("model.absent"), "r");
  EXPECT_THROW(config.refuse_unknown(), ConfigError);
}

TEST(ConfigTest, ParsedTextCannotNameABase) {
  EXPECT_THAT(refusal("base = \"other.toml\""), HasSubstr("[r.toml:1:1] base:"));
}

TEST(ConfigTest, NestingIsBounded) {
  std::string dotted = "a";
  for (int i = 0; i < 400'000; ++i) dotted += ".a";
  std::string quoted = "\"a.b\"";
  for (int i = 0; i < 40; ++i) quoted += ".'a,='";
  const std::string headers =
      "[a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a]\n"
      "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1";
  EXPECT_THAT(refusal(dotted + " = 1"), HasSubstr("nest 32 deep at most"));
  EXPECT_THAT(refusal("\n" + quoted + " = 1"), HasSubstr("[r.toml:2:198] tables and arrays"));
  EXPECT_THAT(refusal("x = " + std::string(400'000, '[')), HasSubstr("nest 32 deep at most"));
  EXPECT_THAT(refusal(headers), HasSubstr("nest 32 deep at most"));
}

TEST(ConfigTest, DotsAndBracketsInStringsAndCommentsAreNotNesting) {
  const std::string dots(100, '.');
  const std::string open(100, '[');
  const SampleRecipe recipe =
      parse("# " + dots + open + "\nname = \"" + dots + "\\\"" + open + "\"\nclasses = ['" + open +
            dots + "', \"\"\"\n" + dots + "\"" + open + "\"\"\"\"]");
  EXPECT_EQ(recipe.name, dots + "\"" + open);
  EXPECT_THAT(recipe.classes, ElementsAre(open + dots, dots + "\"" + open + "\""));
}

TEST(ConfigTest, SizeIsBounded) {
  const std::string big(Config::kMaxBytes + 1, '\n');
  EXPECT_THAT(refusal(big), HasSubstr("1048576 bytes at most"));
}

TEST(ConfigTest, ControlBytesNeverReachTheMessage) {
  const std::string message = refusal("\"a\\u001bb\" = 1");
  EXPECT_THAT(message, HasSubstr("'a?b'"));
}

}  // namespace
}  // namespace conopa

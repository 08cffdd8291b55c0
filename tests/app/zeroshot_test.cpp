#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/conopa/model_store.h"
#include "apps/conopa/pair_folder.h"
#include "apps/conopa/zeroshot_prompts.h"
#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/engine/session.h"
#include "conopa/eval/top_classes.h"
#include "conopa/eval/zero_shot.h"
#include "conopa/image/codec.h"
#include "conopa/image/transform.h"
#include "conopa/text/clip_tokenizer.h"
#include "tests/app/command_run.h"
#include "tests/text/tiny_clip.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::read_plain;
using testing::run_command;
using ::testing::SizeIs;
using testing::TempDir;
using testing::write_plain;
using testing::write_png;
using Json = nlohmann::json;

TEST(ZeroshotPromptsTest, TheNameFillsEveryGap) {
  EXPECT_EQ(app::fill_template("a {}, yes a {}.", "low"), "a low, yes a low.");
  EXPECT_EQ(app::fill_template("{}", "{}"), "{}");
}

TEST(ZeroshotPromptsTest, ClassesOfTheDataComeFirstInItsOrder) {
  const std::vector<std::string> data{"big_cat", "dog"};
  EXPECT_THAT(app::classes_for_data({}, data, "c"), ElementsAre("big cat", "dog"));
  EXPECT_THAT(app::classes_for_data({"emu", "dog", "big cat"}, data, "c"),
              ElementsAre("big cat", "dog", "emu"));
  EXPECT_THAT(app::classes_for_data({"tiger", "wolf"}, data, "c"), ElementsAre("tiger", "wolf"));
  EXPECT_THAT(app::classes_for_data({"dog", "dog"}, data, "c"), ElementsAre("dog", "dog"));
}

TEST(ZeroshotPromptsTest, RefusesNamesThatCannotBeMatched) {
  EXPECT_THROW((void)app::classes_for_data({"dog", "emu", "yak"}, {"cat", "dog"}, "c"),
               FormatError);
  EXPECT_THROW((void)app::classes_for_data({"dog"}, {"cat", "dog"}, "c"), FormatError);
}

arch::EncoderSpec tiny(std::string_view preset) {
  arch::EncoderSpec spec = arch::preset_spec(preset);
  spec.dim = 32;
  spec.depth = 2;
  spec.heads = 2;
  spec.mlp_hidden = 64;
  spec.projection = 24;
  if (spec.input == arch::Input::kTokens) {
    spec.width = 10;
    spec.vocabulary = 522;
    spec.end_token = 521;
  } else {
    spec.height = spec.width = 28;
    spec.num_classes = spec.dim;
  }
  spec.resolve();
  return spec;
}

void write_tower(const std::filesystem::path& path, const arch::EncoderSpec& spec) {
  app::NewModel model{.spec = spec,
                      .transform = app::default_transform(spec),
                      .class_names = {},
                      .tensors = {},
                      .readme = "# tower\n"};
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    model.tensors.push_back({entry.name, arch::initial_tensor(entry, 3)});
  }
  app::save_model(path, model, false);
}

/// A random pair with a tiny vocabulary, three classes and a few pictures.
class ZeroshotCommandTest : public ::testing::Test {
 protected:
  ZeroshotCommandTest() {
    write_tower(dir_ / "pair/image", tiny("aimv2_large_patch14_224_lit"));
    write_tower(dir_ / "pair/text", tiny("aimv2_lit_text"));
    app::write_pair_file({.path = dir_ / "pair", .logit_scale = 3.0});
    write_plain(dir_ / "merges.txt", text::testing::kTinyMerges);
    write_plain(dir_ / "classes.txt", "low\nlower\nabc 7\n");
    write_plain(dir_ / "templates.txt", "a {}\nlow {}!\n");
    for (int i = 0; i < 6; ++i) write_png(dir_ / ("p/" + std::to_string(i) + ".png"), i);
  }

  CommandResult zeroshot(std::vector<std::string> more) {
    std::vector<std::string> words{"zeroshot",    dir_ / "pair", "--vocab",   dir_ / "merges.txt",
                                   "--precision", precision_,    "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  }
  CommandResult classify(std::vector<std::string> more) {
    more.insert(more.begin(), {dir_ / "p", "--classes", dir_ / "classes.txt"});
    return zeroshot(std::move(more));
  }
  void label_pictures() {
    const std::vector<std::string> names{"abc_7", "low", "lower"};
    for (int i = 0; i < 9; ++i) {
      write_png(dir_ / ("d/val/" + names[static_cast<std::size_t>(i % 3)] + "/" +
                        std::to_string(i) + ".png"),
                i);
    }
  }

  TempDir dir_;
  std::string precision_ = "fp32";
};

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line));
  return out;
}

/// Class vectors straight from the text tower.
std::vector<float> expected_rows(const std::filesystem::path& tower,
                                 const std::vector<std::vector<std::string>>& texts) {
  const auto tokenizer = text::ClipTokenizer::from_merges(text::testing::kTinyMerges, "tiny");
  const engine::Model model = engine::Model::open(tower, {.precision = engine::Precision::kFp32});
  engine::Session session(model, {.threads = 1});
  eval::ClassTexts out(std::ssize(texts), model.spec().projection);
  std::vector<float> vector(static_cast<std::size_t>(model.spec().projection));
  for (std::size_t k = 0; k < texts.size(); ++k) {
    for (const std::string& prompt : texts[k]) {
      const auto ids =
          text::encode_padded(*tokenizer, prompt, model.spec().width, text::TextStart::kBos);
      session.run_tokens(ids, 1, {.logits = vector});
      out.add(static_cast<std::int64_t>(k), vector);
    }
  }
  return out.unit_rows();
}

TEST_F(ZeroshotCommandTest, AgreesWithTheTowersRunByHand) {
  const CommandResult result =
      classify({"--templates", dir_ / "templates.txt", "--format", "json"});
  ASSERT_EQ(result.code, 0) << result.error;
  const std::vector<Json> lines = json_lines(result.out);
  ASSERT_THAT(lines, SizeIs(6));

  const std::vector<float> rows =
      expected_rows(dir_ / "pair/text",
                    {{"a low", "low low!"}, {"a lower", "low lower!"}, {"a abc 7", "low abc 7!"}});
  const engine::Model model =
      engine::Model::open(dir_ / "pair/image", {.precision = engine::Precision::kFp32});
  const engine::StoredModel stored = app::open_model(dir_ / "pair/image");
  engine::Session session(model, {.threads = 1});
  const auto transform = image::make_eval_transform(stored.transform);
  for (const Json& line : lines) {
    std::vector<float> pixels(static_cast<std::size_t>(element_count(transform->output_shape())));
    Rng unused(0, RngPurpose::kSample);
    transform->apply(image::decode_file(line["file"].get<std::string>()), unused, pixels);
    std::vector<float> vector(24);
    session.run(pixels, 1, {.logits = vector});
    const std::vector<float> logits =
        eval::similarity_logits(vector, rows, 24, eval::similarity_scale(3.0));
    const std::vector<eval::Prediction> top = eval::top_classes(logits, 3);
    ASSERT_THAT(line["predictions"], SizeIs(3));
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(line["predictions"][i]["index"], top[i].index);
      EXPECT_NEAR(line["predictions"][i]["probability"].get<double>(), top[i].probability, 1e-6);
    }
  }
  EXPECT_NE(lines[0]["predictions"], lines[1]["predictions"]);
}

TEST_F(ZeroshotCommandTest, TemplatesMatterAndBatchesDoNot) {
  const std::string plain = classify({"--json"}).out;
  EXPECT_EQ(classify({"--json", "--batch", "1"}).out, plain);
  EXPECT_NE(classify({"--json", "--templates", dir_ / "templates.txt"}).out, plain);
}

TEST_F(ZeroshotCommandTest, PrintsTextAndCsv) {
  const CommandResult text = classify({"--top", "1"});
  EXPECT_THAT(text.out, ::testing::ContainsRegex("  [ 0-9.]+ %  +[012]  (lower|low|abc 7)\n"));
  const CommandResult csv = classify({"--top", "2", "--format", "csv"});
  EXPECT_THAT(csv.out, ::testing::StartsWith("file,rank,class,index,probability\n" +
                                             (dir_ / "p/0.png").string() + ",1,"));
  EXPECT_EQ(std::ranges::count(csv.out, '\n'), 1 + 6 * 2);
}

TEST_F(ZeroshotCommandTest, RunsInEveryPrecision) {
  for (const std::string precision : {"bf16", "int8"}) {
    precision_ = precision;
    EXPECT_EQ(classify({}).code, 0) << precision;
  }
}

TEST_F(ZeroshotCommandTest, MeasuresLabelledImagesByTheNamesOfTheirFolders) {
  label_pictures();
  const CommandResult own = zeroshot({"--data", dir_ / "d", "--json"});
  ASSERT_EQ(own.code, 0) << own.error;
  const Json json = Json::parse(own.out);
  EXPECT_EQ(json["samples"], 9);
  EXPECT_THAT(json["class_names"], ElementsAre("abc 7", "low", "lower"));

  // The same names in another order, and one more that no image has.
  const CommandResult images = zeroshot({dir_ / "d", "--classes", dir_ / "classes.txt", "--json"});
  int right = 0;
  for (const Json& line : json_lines(images.out)) {
    const std::string file = line["file"];
    std::string folder = std::filesystem::path(file).parent_path().filename();
    right += app::spoken_name(folder) == line["predictions"][0]["class"] ? 1 : 0;
  }
  EXPECT_NEAR(json["top1"].get<double>(), right / 9.0, 1e-12);
  const CommandResult listed =
      zeroshot({"--data", dir_ / "d", "--classes", dir_ / "classes.txt", "--json"});
  EXPECT_EQ(Json::parse(listed.out)["loss"], json["loss"]);
}

TEST_F(ZeroshotCommandTest, WritesAReportAndARowOfNumbers) {
  label_pictures();
  const CommandResult result =
      zeroshot({"--data", dir_ / "d", "--report", dir_ / "r.html", "--format", "csv"});
  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, ::testing::StartsWith("classes,images,top1,top_k,topk,loss,ece\n3,9,"));
  EXPECT_THAT(read_plain(dir_ / "r.html"), HasSubstr("Evaluation of pair"));
  EXPECT_THAT(zeroshot({"--data", dir_ / "d"}).out, HasSubstr("images  9\ntop-1 "));
}

TEST_F(ZeroshotCommandTest, LongTextsLoseTheirEndWithAWarning) {
  write_plain(dir_ / "long.txt", "low\nlow low low low low low low low low\n");
  const CommandResult result = zeroshot(
      {dir_ / "p/0.png", "--classes", dir_ / "long.txt", "--templates", dir_ / "templates.txt"});
  EXPECT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.log, HasSubstr("2 texts are longer than the 10 tokens"));
}

TEST_F(ZeroshotCommandTest, RefusesBadTexts) {
  const struct {
    std::string option, content, message;
  } cases[] = {{"--classes", "", "expected one name a line, found an empty file"},
               {"--classes", "low\n\xFF\xFE\n", "found other bytes on line 2"},
               {"--classes", "low\n\nabc\n", "found an empty line"},
               {"--templates", "a {}\na photo\n", "template on line 2, found 'a photo'"},
               {"--templates", "", "found an empty file"},
               {"--vocab", "#version\na b c\n", "bad.txt"}};
  for (const auto& [option, content, message] : cases) {
    write_plain(dir_ / "bad.txt", content);
    const CommandResult result =
        option == "--vocab"     ? run_command({"zeroshot", dir_ / "pair", dir_ / "p", "--classes",
                                               dir_ / "classes.txt", "--vocab", dir_ / "bad.txt"})
        : option == "--classes" ? zeroshot({dir_ / "p", "--classes", dir_ / "bad.txt"})
                                : classify({option, dir_ / "bad.txt"});
    EXPECT_NE(result.code, 0) << option << content;
    EXPECT_THAT(result.error, HasSubstr(message)) << option;
  }
}

TEST_F(ZeroshotCommandTest, RefusesOptionsThatDoNotGoTogether) {
  label_pictures();
  EXPECT_THAT(zeroshot({}).error, HasSubstr("expected images to classify, or labelled ones"));
  EXPECT_THAT(classify({"--data", dir_ / "d"}).error, HasSubstr("give one of both"));
  EXPECT_THAT(zeroshot({dir_ / "p"}).error, HasSubstr("[--classes] expected a file"));
  EXPECT_THAT(classify({"--report", dir_ / "r.html"}).error, HasSubstr("[--report]"));
}

TEST_F(ZeroshotCommandTest, RefusesWhatIsNoPair) {
  std::filesystem::remove(dir_ / "pair/pair.json");
  const CommandResult result = classify({});
  EXPECT_EQ(result.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(result.error, HasSubstr("a folder with pair.json"));
}

TEST_F(ZeroshotCommandTest, RefusesTowersOfDifferentWidth) {
  arch::EncoderSpec other = tiny("aimv2_lit_text");
  other.projection = 16;
  other.resolve();
  write_tower(dir_ / "pair/other", other);
  app::write_pair_file({.path = dir_ / "pair", .logit_scale = 3.0, .text = "other"});
  EXPECT_THAT(classify({}).error, HasSubstr("found 24 of the image model and 16 of the text"));
}

TEST_F(ZeroshotCommandTest, RefusesTowersInEachOthersPlace) {
  app::write_pair_file(
      {.path = dir_ / "pair", .logit_scale = 3.0, .image = "text", .text = "image"});
  EXPECT_THAT(classify({}).error, HasSubstr("expected a model that reads images"));
}

TEST_F(ZeroshotCommandTest, RefusesAnotherVocabulary) {
  const CommandResult result = run_command({"zeroshot", dir_ / "pair", dir_ / "p", "--classes",
                                            dir_ / "classes.txt", "--vocab", "bytes"});
  EXPECT_THAT(result.error, HasSubstr("at most 522 tokens that end with number 521"));
}

}  // namespace
}  // namespace conopa

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/data/list.h"
#include "conopa/data/loader.h"
#include "conopa/data/open.h"
#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

std::string captions_error(std::string_view text, ListFormat format = ListFormat::kCsv) {
  return error_of<FormatError>(
      [&] { (void)parse_list(text, format, "c.csv", ListContent::kCaptions); });
}

DataOptions at(const std::filesystem::path& path) { return {.path = path.string()}; }

/// Writes the pixel of every image into the batch.
class PixelTransform final : public image::Transform {
 public:
  PixelTransform() : Transform({1, 1, 1}) {}
  void apply(const image::ImageView& image, Rng&, std::span<float> out) const override {
    out[0] = static_cast<float>(image.data[0]);
  }
};

TEST(CaptionListTest, ReadsEveryFormat) {
  const std::pair<ListFormat, const char*> lists[] = {
      {ListFormat::kCsv, "image,caption\na.png,\"a llama, \nstanding \"\nb.png,ñandú\n"},
      {ListFormat::kTsv, "text\tfile\na llama, standing\ta.png\nñandú\tb.png\n"},
      {ListFormat::kJsonl,
       "{\"path\": \"a.png\", \"text\": \"\\n a llama\"}\n{\"path\": \"b.png\", \"caption\": "
       "\"\\u00f1and\\u00fa\"}\n"}};
  for (const auto& [format, text] : lists) {
    const auto rows = parse_list(text, format, "x", ListContent::kCaptions);
    ASSERT_EQ(rows.size(), 2U) << enum_name(format);
    EXPECT_EQ(rows[0].path, "a.png");
    EXPECT_EQ(rows[0].caption.substr(0, 7), "a llama");
    EXPECT_NE(rows[0].caption.back(), ' ');
    EXPECT_EQ(rows[1].caption, "ñandú");
  }
}

TEST(CaptionListTest, NamesFileAndLineOfAnError) {
  EXPECT_THAT(captions_error("path,caption\na,x\nb, \n"), HasSubstr("[c.csv]"));
  EXPECT_THAT(captions_error("path,caption\na,x\nb, \n"), HasSubstr("line 3, found an empty"));
  EXPECT_THAT(captions_error("path,caption\n,x\n"), HasSubstr("line 2, found no path"));
  EXPECT_THAT(captions_error("path,caption\na,\xC3(\n"), HasSubstr("line 2"));
  EXPECT_THAT(captions_error("a.png,a llama\n"), HasSubstr("column names"));
  EXPECT_THAT(captions_error("path,caption\n"), HasSubstr("path,caption[,split]"));
  const auto json = [](const char* text) { return captions_error(text, ListFormat::kJsonl); };
  EXPECT_THAT(json("{\"path\": \"a\", \"caption\": \" \\n\"}"),
              HasSubstr("line 1, found an empty"));
  EXPECT_THAT(json("{\"path\": \"a\"}"), HasSubstr("found an empty caption"));
  EXPECT_THAT(json("{\"path\": \"a\", \"caption\": 7}"), HasSubstr("at 'caption' on line 1"));
  EXPECT_THAT(json("{\"path\": \"a\", \"caption\": \"x\\u0000y\"}"), HasSubstr("line 1"));
}

TEST(CaptionListTest, IsDetectedByItsColumns) {
  const TempFolder folder;
  const std::pair<const char*, bool> cases[] = {{"path,caption\na,b\n", true},
                                                {"path,text,split\na,b,train\n", true},
                                                {"path,label,caption\na,b,c\n", false},
                                                {"a.png,caption\n", false},
                                                {"path,\"cap", false},
                                                {"", false}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(is_caption_list(folder.write("x.csv", text)), expected) << text;
  }
  EXPECT_TRUE(is_caption_list(folder.write("x.jsonl", "\n{\"image\": \"a\", \"text\": \"b\"}\n")));
  EXPECT_FALSE(is_caption_list(folder.write("x.jsonl", "[1]\n")));
  EXPECT_EQ(detect_kind(folder.write("l/train.tsv", "path\tcaption\na\tb\n").string()),
            DataKind::kCaptions);
  EXPECT_EQ(detect_kind((folder.path() / "l").string()), DataKind::kCaptions);
}

TEST(CaptionsTest, ServeSplitsAndCaptionsWithoutClasses) {
  const TempFolder folder;
  const auto list = folder.write(
      "c.csv", "path,caption,split\na,one,train\nb,two,val\nc,three,train\nd,four,train\n");
  const OpenedDataset train = open_dataset(at(list), Split::kTrain);
  ASSERT_EQ(train.kind, DataKind::kCaptions);
  EXPECT_EQ(train.dataset->size(), 3);
  EXPECT_EQ(train.dataset->num_classes(), 0);
  EXPECT_EQ(train.dataset->label(2), 0);
  EXPECT_TRUE(train.dataset->has_captions());
  EXPECT_EQ(train.dataset->caption(1), "three");
  const OpenedDataset eval = open_dataset(at(list), Split::kEval);
  EXPECT_EQ(eval.split, "val");
  EXPECT_EQ(eval.dataset->caption(0), "two");
  DataOptions classes = at(list);
  classes.num_classes = 2;
  EXPECT_THROW((void)open_dataset(classes, Split::kTrain), ConfigError);
}

TEST(CaptionsTest, EvaluationListMayLieElsewhere) {
  const TempFolder folder;
  DataOptions options = at(folder.write("c.csv", "path,caption\na,one\n"));
  options.eval_path = folder.write("e.jsonl", "{\"path\": \"b\", \"caption\": \"two\"}").string();
  EXPECT_EQ(open_dataset(options, Split::kEval).dataset->caption(0), "two");
}

TEST(CaptionsTest, ALimitKeepsARandomSubsetWithItsCaptions) {
  const TempFolder folder;
  std::string rows = "path,caption\n";
  for (int i = 0; i < 50; ++i) rows += fmt::format("f{0},c{0}\n", i);
  DataOptions options = at(folder.write("c.csv", rows));
  options.limit = 10;
  const auto kept = open_dataset(options, Split::kTrain).dataset;
  ASSERT_EQ(kept->size(), 10);
  EXPECT_NE(kept->caption(9), "c9");
  for (std::int64_t i = 0; i < 10; ++i) {
    const std::string number(kept->caption(i).substr(1));
    EXPECT_THAT(kept->name(i), ::testing::EndsWith("/f" + number));
  }
}

TEST(CaptionsTest, BatchesCarryTheCaptionsOfTheImagesReallyUsed) {
  const TempFolder folder;
  folder.write_png("a.png", 1, 1, 10, 1);
  folder.write_png("c.png", 1, 1, 30, 1);
  DataOptions options =
      at(folder.write("c.csv", "path,caption\na.png,ten\nmissing.png,twenty\nc.png,thirty\n"));
  EXPECT_THROW((void)open_dataset(options, Split::kTrain).dataset->get(1), Error);
  options.on_error = OnError::kSkip;
  for (const std::int64_t workers : {0, 2}) {
    const OpenedDataset opened = open_dataset(options, Split::kTrain);
    Loader loader(opened.dataset, std::make_shared<PixelTransform>(),
                  Sampler({.order = SampleOrder::kSequential}, 3),
                  {.batch = 3, .workers = workers});
    loader.begin_epoch(0);
    const Batch batch = *loader.next();
    EXPECT_THAT(batch.captions, ElementsAre("ten", "thirty", "thirty"));
    EXPECT_THAT(batch.images.data<float>(), ElementsAre(10.0F, 30.0F, 30.0F));
    EXPECT_EQ(opened.broken->count(), 1);
  }
}

TEST(CaptionsTest, MixingNeedsClasses) {
  const TempFolder folder;
  const auto opened =
      open_dataset(at(folder.write("c.csv", "path,caption\na,one\n")), Split::kTrain);
  LoaderOptions options{.batch = 1, .workers = 0};
  options.mixup.mixup_alpha = 0.8;
  EXPECT_THROW(Loader(opened.dataset, std::make_shared<PixelTransform>(), Sampler({}, 1), options),
               ConfigError);
}

}  // namespace
}  // namespace conopa::data

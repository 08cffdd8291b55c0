#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conopa/codebook/codebook.h"
#include "conopa/image/codec.h"
#include "conopa/io/mapped_file.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using testing::write_png;
using Json = nlohmann::json;

/// Six pictures of two classes, cut into 2x2 patches of 8x8 pixels: 16 an image.
class CodebookCommandTest : public ::testing::Test {
 protected:
  CodebookCommandTest() {
    for (int i = 0; i < 6; ++i) {
      write_png(dir_ / ("d/train/" + std::string(i < 3 ? "a/" : "b/") + std::to_string(i) + ".png"),
                i);
    }
  }

  [[nodiscard]] CommandResult codebook(std::vector<std::string> words) const {
    words.insert(words.begin(),
                 {"codebook", "--data", dir_ / "d", "--size", "8", "--patch", "2", "--codes", "5"});
    return run_command(words);
  }

  TempDir dir_;
  std::string out_ = dir_ / "c.safetensors";
};

TEST_F(CodebookCommandTest, WritesCentresAndAPictureOfThem) {
  const CommandResult result = codebook({"--out", out_, "--seed", "7", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const codebook::Codebook book = codebook::load_codebook(out_);
  EXPECT_EQ(book.codes(), 5);
  EXPECT_EQ(book.patch, 2);
  EXPECT_EQ(book.channels, 3);
  EXPECT_TRUE(book.normalised);
  EXPECT_EQ(book.images, 6);
  EXPECT_EQ(book.seed, 7);
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["patches"], 96);
  EXPECT_LE(json["inertia"].get<double>(), json["inertia_start"].get<double>());
  EXPECT_NEAR(json["inertia"].get<double>(), book.inertia, 1e-4);
  const auto file = MappedFile::open(json["picture"].get<std::string>());
  const image::Image picture = image::decode(file->bytes(), "picture");
  // Five codes of 2·12 pixels in three columns and two rows, with gaps of 2.
  EXPECT_EQ(picture.width, 3 * 24 + 2 * 2);
  EXPECT_EQ(picture.height, 2 * 24 + 2);
}

TEST_F(CodebookCommandTest, CutsPatchesByRowColumnAndChannel) {
  // One code, the mean of all patches; channels are told apart by what is taken off them.
  const CommandResult result = run_command(
      {"codebook", "--data", dir_ / "d", "--size", "8", "--patch", "2", "--codes", "1", "--raw",
       "--out", out_, "--preprocess", "mean=[0,100,200]", "--preprocess", "std=[1,1,1]"});
  ASSERT_EQ(result.code, 0) << result.error;
  const codebook::Codebook book = codebook::load_codebook(out_);
  EXPECT_FALSE(book.normalised);
  ASSERT_EQ(book.dims(), 12);
  for (std::size_t i = 0; i < 12; ++i) {  // values in 0..1 less the channel's mean
    const float shifted = book.centres[i] + 100.0F * static_cast<float>(i % 3);
    EXPECT_GE(shifted, 0.0F) << i;
    EXPECT_LE(shifted, 1.0F) << i;
  }
}

TEST_F(CodebookCommandTest, DrawsAsManyPatchesAsAskedAndTheSameForASeed) {
  ASSERT_EQ(codebook({"--out", out_, "--sample", "20"}).code, 0);
  const std::string again = dir_ / "again.safetensors";
  const CommandResult result = codebook({"--out", again, "--sample", "20", "--json"});
  EXPECT_EQ(Json::parse(result.out)["patches"], 20);
  EXPECT_EQ(Json::parse(result.out)["images"], 5);  // four patches of each
  EXPECT_EQ(codebook::load_codebook(out_).centres, codebook::load_codebook(again).centres);
  ASSERT_EQ(codebook({"--out", again, "--sample", "20", "--seed", "1", "--force"}).code, 0);
  EXPECT_NE(codebook::load_codebook(out_).centres, codebook::load_codebook(again).centres);
}

TEST_F(CodebookCommandTest, RefusesBadInput) {
  const auto complaint = [&](std::vector<std::string> words) {
    const CommandResult result = codebook(std::move(words));
    EXPECT_NE(result.code, 0);
    return result.error;
  };
  EXPECT_THAT(complaint({"--out", dir_ / "c.npz"}), HasSubstr(".safetensors"));
  EXPECT_THAT(complaint({"--out", out_, "--sample", "3"}), HasSubstr("at least 5 vectors"));
  EXPECT_THAT(complaint({"--out", out_, "--channels", "2"}), HasSubstr("channels"));
  EXPECT_THAT(complaint({"--out", out_, "--preprocess", "widht=3"}), HasSubstr("widht"));
  EXPECT_THAT(complaint({"--out", out_, "--split", "none"}), HasSubstr("none"));
  const CommandResult uneven = run_command({"codebook", "--data", dir_ / "d", "--size", "8",
                                            "--patch", "3", "--codes", "5", "--out", out_});
  EXPECT_THAT(uneven.error, HasSubstr("a patch that divides 8x8 pixels, got 3"));
  testing::write_plain(out_, "mine");
  EXPECT_THAT(complaint({"--out", out_}), HasSubstr("exists already"));
}

}  // namespace
}  // namespace conopa

#include "conopa/io/row_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/io/npz.h"
#include "conopa/io/safetensors.h"
#include "conopa/io/zip_reader.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using testing::TempDir;
using Json = nlohmann::json;

RowFileOptions options_of(std::vector<std::string> names) {
  return {.name = "tokens", .row = {2, 1}, .names = std::move(names)};
}

/// Every ending.
class RowFileTest : public ::testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::filesystem::path path() const {
    return dir_ / ("f" + std::string(GetParam()));
  }
  [[nodiscard]] std::unique_ptr<TensorSource> open() const {
    if (path().extension() == ".npz") return NumpyFile::open(path());
    return SafetensorsFile::open(path());
  }

  TempDir dir_;
};

TEST_P(RowFileTest, HoldsTheRowsThatCame) {
  const auto file = RowFile::create(path(), options_of({"a", "b", "c"}));
  const std::vector<float> two{1.0F, 2.0F, 3.0F, 4.0F};
  file->append(two);
  file->append(std::span(two).first(2));
  file->commit(std::vector<std::string>{"a", "b", "c"});

  const auto read = open();

  EXPECT_THAT(read->info("tokens").shape, ElementsAre(3, 2, 1));
  EXPECT_THAT(read->read("tokens").to_f32(), ElementsAre(1.0F, 2.0F, 3.0F, 4.0F, 1.0F, 2.0F));
}

TEST_P(RowFileTest, HoldsFewerRowsThanNamesWereGiven) {
  const auto file = RowFile::create(path(), options_of({"a", "b", std::string(300, 'c')}));
  file->append(std::vector<float>{5.0F, 6.0F});
  file->commit(std::vector<std::string>{"b"});

  EXPECT_THAT(open()->info("tokens").shape, ElementsAre(1, 2, 1));
  EXPECT_THAT(open()->read("tokens").to_f32(), ElementsAre(5.0F, 6.0F));
}

TEST_P(RowFileTest, ShowsNothingBeforeItIsComplete) {
  {
    const auto file = RowFile::create(path(), options_of({"a"}));
    file->append(std::vector<float>{1.0F, 2.0F});
    EXPECT_FALSE(std::filesystem::exists(path()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_P(RowFileTest, RefusesHalfRowsAndRowsWithoutNames) {
  const auto file = RowFile::create(path(), options_of({"a", "b"}));
  const std::vector<float> values(6);

  EXPECT_THROW(file->append(std::span(values).first(3)), ShapeError);
  EXPECT_THROW(file->append(values), ShapeError);
  file->append(std::span(values).first(2));
  EXPECT_THROW(file->commit(std::vector<std::string>{"a", "b"}), ShapeError);
}

TEST_P(RowFileTest, TakesNamesThatAreNotUtf8) {
  const std::vector<std::string> names{"\xff.png"};
  const auto file = RowFile::create(path(), options_of(names));
  file->append(std::vector<float>{1.0F, 2.0F});

  EXPECT_NO_THROW(file->commit(names));
  EXPECT_EQ(open()->read("tokens").numel(), 2);
}

INSTANTIATE_TEST_SUITE_P(Endings, RowFileTest, ::testing::Values(".npz", ".safetensors"));

TEST(RowFileNamesTest, StandBesideTheNumbers) {
  const TempDir dir;
  const std::vector<std::string> names{"x/1.png", "y \"2\".png"};
  for (const char* name : {"f.npz", "f.safetensors"}) {
    const auto file = RowFile::create(dir / name, options_of(names));
    file->append(std::vector<float>(4));
    file->commit(names);
  }

  const auto safetensors = SafetensorsFile::open(dir / "f.safetensors");
  EXPECT_EQ(Json::parse(safetensors->metadata().at("names")), Json(names));
  EXPECT_NE(testing::read_plain(dir / "f.npz").find(Json(names).dump()), std::string::npos);
}

TEST(RowFileNamesTest, RefusesOtherEndings) {
  const TempDir dir;
  EXPECT_THROW((void)RowFile::create(dir / "f.csv", options_of({"a"})), ConfigError);
}

}  // namespace
}  // namespace conopa

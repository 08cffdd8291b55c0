#include "conopa/codebook/codebook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"
#include "tests/io/temp_dir.h"

namespace conopa::codebook {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CodebookTest : public ::testing::Test {
 protected:
  [[nodiscard]] static Codebook small() {
    Codebook out{.patch = 2, .channels = 1, .normalised = true};
    out.centres = {0, 0, 0, 0, 1, 1, 1, 1, -1, -1, 1, 1};
    out.seed = 5;
    out.images = 60;
    out.inertia = 0.25;
    return out;
  }
  // What loading says of a file with other tensors or metadata.
  [[nodiscard]] std::string complaint(Shape shape, std::vector<float> values,
                                      const Metadata& changes = {},
                                      const std::string& name = "centres") {
    Metadata metadata{{"patch", "2"}, {"channels", "1"}, {"normalised", "true"},
                      {"seed", "0"},  {"images", "1"},   {"inertia", "0.5"}};
    for (const auto& [key, value] : changes) metadata[key] = value;
    const std::vector<NamedTensor> tensors{
        {name, HostTensor::of<float>(DType::kF32, std::move(shape), values)}};
    write_safetensors(path_, tensors, metadata);
    try {
      static_cast<void>(load_codebook(path_));
    } catch (const FormatError& error) {
      return error.what();
    }
    return "no complaint";
  }

  testing::TempDir dir_;
  std::string path_ = dir_ / "c.safetensors";
};

TEST_F(CodebookTest, IsReadAsItWasWritten) {
  save_codebook(path_, small());
  const Codebook read = load_codebook(path_);
  EXPECT_EQ(read.centres, small().centres);
  EXPECT_EQ(read.patch, 2);
  EXPECT_EQ(read.channels, 1);
  EXPECT_TRUE(read.normalised);
  EXPECT_EQ(read.codes(), 3);
  EXPECT_EQ(read.seed, 5);
  EXPECT_EQ(read.images, 60);
  EXPECT_EQ(read.inertia, 0.25);
}

TEST_F(CodebookTest, FindsTheNearestCode) {
  const std::vector<float> patches{0.9F, 1, 1, 1.2F, -1, -0.8F, 1, 0.5F, 0.1F, 0, 0, 0};
  EXPECT_THAT(nearest_code(patches, small()), ElementsAre(1, 2, 0));
  EXPECT_THROW((void)nearest_code(std::vector<float>(6), small()), ShapeError);
}

TEST_F(CodebookTest, RefusesFilesThatAreNoCodebook) {
  EXPECT_EQ(complaint({2, 4}, std::vector<float>(8)), "no complaint");
  EXPECT_THAT(complaint({2, 4}, std::vector<float>(8), {}, "weights"), HasSubstr("'centres'"));
  EXPECT_THAT(complaint({2, 5}, std::vector<float>(10)),
              HasSubstr("expected centres [codes, 4] F32"));
  EXPECT_THAT(complaint({8}, std::vector<float>(8)), HasSubstr("found [8] F32"));
  EXPECT_THAT(complaint({1, 4}, {0, 0, std::numeric_limits<float>::infinity(), 0}),
              HasSubstr("finite"));
  EXPECT_THAT(complaint({2, 4}, std::vector<float>(8), {{"patch", "0"}}), HasSubstr("'patch'"));
  EXPECT_THAT(complaint({2, 4}, std::vector<float>(8), {{"channels", "1x"}}),
              HasSubstr("'channels'"));
  EXPECT_THAT(complaint({2, 4}, std::vector<float>(8), {{"normalised", "yes"}}),
              HasSubstr("'normalised'"));
  EXPECT_THAT(complaint({2, 4}, std::vector<float>(8), {{"inertia", "low"}}),
              HasSubstr("'inertia'"));
  EXPECT_THROW((void)load_codebook(dir_ / "missing"), IoError);
}

TEST_F(CodebookTest, SaysWhichSizeAModelNeeds) {
  EXPECT_NO_THROW(require_patch(small(), 2, 1));
  try {
    require_patch(small(), 4, 3);
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected codes of 4*4*3 = 48 numbers"));
    EXPECT_THAT(error.what(), HasSubstr("found 2*2*1 = 4"));
  }
}

TEST(NormalisePatchesTest, UsesTheUnbiasedVariance) {
  std::vector<float> patches{1, 2, 3, 6, 5, 5, 5, 5};
  normalise_patches(patches, 4);
  const auto deviation = static_cast<float>(std::sqrt(14.0 / 3.0 + 1e-6));
  EXPECT_THAT(patches, ElementsAre(-2 / deviation, -1 / deviation, 0, 3 / deviation, 0, 0, 0, 0));
  EXPECT_THROW(normalise_patches(patches, 1), ShapeError);
  EXPECT_THROW(normalise_patches(patches, 3), ShapeError);
}

}  // namespace
}  // namespace conopa::codebook

#include "conopa/engine/token_batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/core/thrown.h"

namespace conopa::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

TEST(TokenBatchesTest, GroupsByGridAndCutsAtTheLimit) {
  // Grids of 14 px: 2x3, 3x2, 2x3 (pixels left over), 1x1, 2x3, 2x3.
  const std::vector<ImageSize> sizes{{28, 42}, {42, 28}, {30, 55}, {14, 14}, {28, 42}, {28, 42}};
  EXPECT_THAT(batches_by_tokens(sizes, 14, 18),
              ElementsAre(ElementsAre(0, 2, 4), ElementsAre(5), ElementsAre(1), ElementsAre(3)));
  EXPECT_THAT(batches_by_tokens(sizes, 14, 1000),
              ElementsAre(ElementsAre(0, 2, 4, 5), ElementsAre(1), ElementsAre(3)));
  EXPECT_THAT(batches_by_tokens({}, 14, 1), ElementsAre());
}

TEST(TokenBatchesTest, NamesAnImageThatFitsNoBatch) {
  const std::vector<ImageSize> large{{14, 14}, {28, 42}};
  EXPECT_THAT(message_of<ShapeError>([&] { (void)batches_by_tokens(large, 14, 5); }),
              HasSubstr("image 1 has 28x42 px"));
  EXPECT_NO_THROW((void)batches_by_tokens(large, 14, 6));
  const std::vector<ImageSize> small{{13, 14}};
  EXPECT_THROW((void)batches_by_tokens(small, 14, 5), ShapeError);
  EXPECT_THROW((void)batches_by_tokens(large, 0, 5), ConfigError);
  EXPECT_THROW((void)batches_by_tokens(large, 14, 0), ConfigError);
}

TEST(TokenBatchesTest, ChecksTheRangeOfNativeSizes) {
  EXPECT_NO_THROW(check_native_size(14 * 7, 14 * 16, 14));
  EXPECT_NO_THROW(check_native_size(14 * 64, 14 * 64, 14));
  EXPECT_NO_THROW(check_native_size(14 * 64 + 13, 14 * 64, 14));
  EXPECT_THAT(message_of<ShapeError>([] { check_native_size(14 * 111, 14, 14); }),
              HasSubstr("112 to 4096 patches of 14 px, found 1554x14 px with 111 x 1 patches"));
  EXPECT_THROW(check_native_size(14 * 65, 14 * 64, 14), ShapeError);
  EXPECT_THROW(check_native_size(1, 5000, 14), ShapeError);
  EXPECT_THROW(check_native_size(-14, -14 * 200, 14), ShapeError);
}

}  // namespace
}  // namespace conopa::engine

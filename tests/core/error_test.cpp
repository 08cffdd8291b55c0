#include "conopa/core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/thrown.h"

namespace conopa {
namespace {

TEST(ErrorTest, TextIsWhereThenWhat) {
  const ShapeError error("rope2d", "head width must be divisible by 4, got {}", 66);
  EXPECT_STREQ(error.what(), "[rope2d] head width must be divisible by 4, got 66");
}

TEST(ErrorTest, BracesInTheWhereAreNotFormat) {
  EXPECT_STREQ(IoError("a{}.bin", "short").what(), "[a{}.bin] short");
}

TEST(ErrorTest, EachClassCarriesItsExitCode) {
  EXPECT_EQ(ConfigError("w", "x").code(), ExitCode::kUsage);
  EXPECT_EQ(UsageError("w", "x").code(), ExitCode::kUsage);
  EXPECT_EQ(FormatError("w", "x").code(), ExitCode::kBadData);
  EXPECT_EQ(ShapeError("w", "x").code(), ExitCode::kBadData);
  EXPECT_EQ(IoError("w", "x").code(), ExitCode::kBadData);
  EXPECT_EQ(UnsupportedError("w", "x").code(), ExitCode::kBadData);
  EXPECT_EQ(CheckError("w", "x").code(), ExitCode::kCheckFailed);
  EXPECT_EQ(RunError("w", "x").code(), ExitCode::kRunFailed);
}

TEST(ErrorTest, AssertionNamesConditionAndPlace) {
  const std::string message =
      testing::message_of<std::logic_error>([] { CONOPA_ASSERT(1 + 1 == 3); });
  EXPECT_THAT(message, ::testing::HasSubstr("error_test.cpp"));
  EXPECT_THAT(message, ::testing::HasSubstr("assertion failed: 1 + 1 == 3"));
  EXPECT_NO_THROW(CONOPA_ASSERT(1 + 1 == 2));
}

}  // namespace
}  // namespace conopa

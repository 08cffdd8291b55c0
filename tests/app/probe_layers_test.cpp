#include "apps/conopa/probe_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"

namespace conopa::app {
namespace {

using Lists = std::vector<std::vector<std::int64_t>>;
using ::testing::HasSubstr;

arch::EncoderSpec of_depth(std::int64_t depth, std::vector<std::int64_t> reads = {}) {
  arch::EncoderSpec spec;
  spec.depth = depth;
  spec.read_blocks = std::move(reads);
  return spec;
}

TEST(ProbeLayersTest, ReadsEveryForm) {
  const arch::EncoderSpec plain = of_depth(4);
  const arch::EncoderSpec reading = of_depth(4, {1, 2});
  EXPECT_EQ(probe_layers(plain, "final"), (Lists{{}}));
  EXPECT_EQ(probe_layers(plain, "last"), (Lists{{}}));
  EXPECT_EQ(probe_layers(reading, "last"), (Lists{{3}}));
  EXPECT_EQ(probe_layers(reading, "own"), (Lists{{1, 2}}));
  EXPECT_EQ(probe_layers(plain, "last3"), (Lists{{1, 2, 3}}));
  EXPECT_EQ(probe_layers(plain, "1-2"), (Lists{{1, 2}}));
  EXPECT_EQ(probe_layers(plain, "2.."), (Lists{{2, 3}}));
  EXPECT_EQ(probe_layers(plain, "3,0, 1-2,2"), (Lists{{0, 1, 2, 3}}));
  EXPECT_EQ(probe_layers(plain, "all"), (Lists{{0}, {1}, {2}, {3}}));
  EXPECT_EQ(probe_layers(plain, "all3"), (Lists{{0, 1, 2}, {1, 2, 3}}));
  EXPECT_EQ(probe_layers(plain, "1; last ;final;1"), (Lists{{1}, {}}));
}

TEST(ProbeLayersTest, ListsTheBlocksThereAre) {
  const auto message = [](std::string_view text) -> std::string {
    try {
      static_cast<void>(probe_layers(of_depth(4), text));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  for (const char* text : {"4", "-1", "1-4", "9..", "last5", "all0"}) {
    EXPECT_THAT(message(text), HasSubstr("the model has the blocks 0..3")) << text;
  }
  for (const char* text : {"", "x", "1,", "lastx", "3-1", "1;;2"}) {
    EXPECT_THAT(message(text), HasSubstr("expected own, final, last")) << text;
  }
}

TEST(NumberListTest, ReadsNumbersAndNothingElse) {
  EXPECT_EQ(number_list("--lr", "1e-4, 3e-4"), (std::vector<double>{1e-4, 3e-4}));
  EXPECT_THROW(static_cast<void>(number_list("--lr", "1e-4,")), ConfigError);
  EXPECT_THROW(static_cast<void>(number_list("--lr", "inf")), ConfigError);
  EXPECT_THROW(static_cast<void>(number_list("--lr", "1e-4;2")), ConfigError);
}

}  // namespace
}  // namespace conopa::app

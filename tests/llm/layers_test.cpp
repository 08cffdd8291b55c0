#include "conopa/llm/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "conopa/core/error.h"
#include "tests/io/temp_dir.h"

namespace conopa::llm {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

struct Row {
  std::string_view text;
  std::vector<std::int64_t> layers;
};

TEST(ParseLayersTest, UnderstandsEveryForm) {
  for (const Row& row :
       {Row{"last", {31}}, Row{"15", {15}}, Row{"0", {0}}, Row{"-1", {31}}, Row{"-32", {0}},
        Row{"30,31", {30, 31}}, Row{"31, 0", {31, 0}}, Row{"0-3", {0, 1, 2, 3}}, Row{"5-5", {5}},
        Row{"-2--1", {30, 31}}, Row{"29-last", {29, 30, 31}}, Row{"1,3-4,last", {1, 3, 4, 31}}}) {
    EXPECT_EQ(parse_layers(row.text, 32), row.layers) << row.text;
  }
}

TEST(ParseLayersTest, RefusesWhatIsNotThere) {
  struct Bad {
    std::string_view text;
    std::string_view message;
  };
  for (const Bad& bad :
       {Bad{"32", "expected one of the layers 0..31, got 32"},
        Bad{"-33", "expected one of the layers 0..31, got -33"}, Bad{"30-32", "got 32"},
        Bad{"", "got ''"}, Bad{"1,", "got ''"}, Bad{"first", "got 'first'"},
        Bad{"1.5", "got '1.5'"}, Bad{"3-", "got ''"},
        Bad{"99999999999999999999", "got '99999999999999999999'"}, Bad{"3-1", "counts upwards"},
        Bad{"1,1", "layer 1 twice"}, Bad{"last,-1", "layer 31 twice"}}) {
    const std::string message = message_of<ConfigError>([&] { (void)parse_layers(bad.text, 32); });
    EXPECT_THAT(message, HasSubstr(std::string(bad.message))) << bad.text;
  }
}

}  // namespace
}  // namespace conopa::llm

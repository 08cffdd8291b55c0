#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/eval/classification_meter.h"

namespace conopa::eval {
namespace {

std::string example_json() {
  ClassificationMeter meter(3);
  meter.add(std::vector<float>{1, 2, 3, 3, 2, 1.5F, 0, 0, 0}, std::vector<std::int64_t>{2, 1, 0});
  return to_json(meter.result());
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ClassificationJsonTest, RoundTripIsExact) {
  const std::string text = example_json();
  EXPECT_EQ(to_json(classification_result_from_json(text)), text);
}

TEST(ClassificationJsonTest, ConfusionIsWrittenSparse) {
  EXPECT_NE(example_json().find(R"("confusion":[[0,0,1],[1,0,1],[2,2,1]])"), std::string::npos);
}

TEST(ClassificationJsonTest, EveryTruncationIsRefused) {
  const std::string text = example_json();
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_THROW((void)classification_result_from_json(text.substr(0, size)), FormatError) << size;
  }
}

TEST(ClassificationJsonTest, WrongContentIsRefused) {
  const std::string text = example_json();
  for (const std::string& bad :
       {replaced(text, R"("num_classes":3)", R"("num_classes":4)"),
        replaced(text, R"("num_classes":3)", R"("num_classes":99999999999)"),
        replaced(text, R"("num_classes":3)", R"("num_classes":"3")"),
        replaced(text, "[2,2,1]", "[2,3,1]"), replaced(text, "[2,2,1]", "[-1,2,1]"),
        replaced(text, "[2,2,1]", "[2,2]"), replaced(text, "[2,2,1]", "[2,2,-1]"),
        replaced(text, "[2,2,1]", "[2,2,1e300]"), replaced(text, "[2,2,1]", "[2,2,\"\xff\"]"),
        replaced(text, R"("ece")", R"("eec")")}) {
    EXPECT_THROW((void)classification_result_from_json(bad), FormatError) << bad;
  }
}

}  // namespace
}  // namespace conopa::eval

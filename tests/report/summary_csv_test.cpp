#include "conopa/report/summary_csv.h"

#include <gtest/gtest.h>

#include <fstream>

#include "conopa/core/error.h"
#include "conopa/io/mapped_file.h"

namespace conopa::report {
namespace {

class SummaryCsvTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("conopa_") +
             ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".csv");
    std::filesystem::remove(path_);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::filesystem::path path_;
};

TEST_F(SummaryCsvTest, WritesOneRowPerEpoch) {
  SummaryCsv csv(path_);
  csv.set_epoch(0, {{"train_loss", 1.5}, {"eval_top1", 0.5}});
  csv.set_epoch(1, {{"train_loss", 0.1 + 0.2}, {"eval_top1", 0.75}});
  EXPECT_EQ(read_text_file(path_),
            "epoch,train_loss,eval_top1\n0,1.5,0.5\n1,0.30000000000000004,0.75\n");
}

TEST_F(SummaryCsvTest, NewColumnsAndMissingValuesLeaveEmptyCells) {
  SummaryCsv csv(path_);
  csv.set_epoch(0, {{"train_loss", 1.5}});
  csv.set_epoch(1, {{"eval_top1", 0.75}});
  EXPECT_EQ(csv.text(), "epoch,train_loss,eval_top1\n0,1.5,\n1,,0.75\n");
}

TEST_F(SummaryCsvTest, ResumedRunReplacesLaterEpochs) {
  {
    SummaryCsv csv(path_);
    for (int epoch = 0; epoch < 4; ++epoch) csv.set_epoch(epoch, {{"train_loss", epoch}});
  }
  SummaryCsv resumed(path_);
  resumed.set_epoch(2, {{"train_loss", 9}});
  EXPECT_EQ(read_text_file(path_), "epoch,train_loss\n0,0\n1,1\n2,9\n");
  resumed.truncate(0);
  EXPECT_EQ(read_text_file(path_), "epoch,train_loss\n0,0\n");
}

TEST_F(SummaryCsvTest, TellsTheLastEpoch) {
  SummaryCsv csv(path_);
  EXPECT_FALSE(csv.last_epoch());
  csv.set_epoch(0, {{"lr", 1}});
  csv.set_epoch(3, {{"lr", 1}});
  EXPECT_EQ(csv.last_epoch(), 3);
}

TEST_F(SummaryCsvTest, ForeignFilesAreRefused) {
  for (const std::string bad :
       {"a,b\n1,2\n", "epoch,a\nx,2\n", "epoch,a\n1,2,3\n", "epoch,a\n\n"}) {
    std::ofstream(path_) << bad;
    EXPECT_THROW(SummaryCsv csv(path_), FormatError) << bad;
  }
}

TEST_F(SummaryCsvTest, NamesThatBreakTheTableAreRefused) {
  SummaryCsv csv(path_);
  EXPECT_THROW(csv.set_epoch(0, {{"a,b", 1}}), ConfigError);
  EXPECT_THROW(csv.set_epoch(0, {{"", 1}}), ConfigError);
}

}  // namespace
}  // namespace conopa::report

#include "conopa/report/table.h"

#include <gtest/gtest.h>

#include "conopa/core/error.h"

namespace conopa::report {
namespace {

TEST(TableCsvTest, QuotesWhatNeedsIt) {
  const TextTable table{.title = "left out",
                        .header = {"name", "top1"},
                        .rows = {{"a,b", "0.5"}, {"say \"x\"", ""}, {"two\nlines", "1"}}};
  EXPECT_EQ(table_csv(table), "name,top1\n\"a,b\",0.5\n\"say \"\"x\"\"\",\n\"two\nlines\",1\n");
}

TEST(TableCsvTest, RefusesRowsOfAnotherLength) {
  const TextTable table{.title = "t", .header = {"a", "b"}, .rows = {{"1", "2"}, {"3"}}};
  EXPECT_THROW(table.validate(), ShapeError);
  EXPECT_THROW((void)table_csv(table), ShapeError);
}

TEST(TableTextTest, AlignsColumnsAndPutsNumbersToTheRight) {
  const TextTable table{.title = "left out",
                        .header = {"run", "top-1", "remark"},
                        .rows = {{"a", "91.8 ± 0.2 %", "slow"}, {"longer", "–", ""}}};
  EXPECT_EQ(table_text(table),
            "run            top-1  remark\n"
            "a       91.8 ± 0.2 %  slow\n"
            "longer             –\n");
}

TEST(NumericCellTest, KnowsNumbersWithUnitsAndSpread) {
  for (const char* text : {"1", "-0.5", "91.80 %", "1,024", "0.91 ± 0.02", "1e-4", "−3", "1–2"}) {
    EXPECT_TRUE(is_numeric_cell(text)) << text;
  }
  for (const char* text : {"", "–", "ak", "224x224", "2D", "soft", "k", "1 day"}) {
    EXPECT_FALSE(is_numeric_cell(text)) << text;
  }
}

}  // namespace
}  // namespace conopa::report

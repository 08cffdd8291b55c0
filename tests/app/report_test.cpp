#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/conopa/report.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/mapped_file.h"
#include "conopa/report/metrics_log.h"
#include "conopa/report/summary_csv.h"
#include "tests/app/command_run.h"
#include "tests/report/xml_check.h"

namespace conopa {
namespace {

namespace fs = std::filesystem;
using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::run_command;
using ::testing::SizeIs;
using testing::TempDir;
using Json = nlohmann::json;

/// A run folder as training leaves it.
struct FakeRun {
  std::vector<double> top1{};  ///< one per epoch
  std::int64_t planned = 3;
  std::int64_t seed = 0;
  double lr_peak = 0.001;
  std::string metric = "top1";
};

void write_run(const fs::path& folder, const FakeRun& run) {
  fs::create_directories(folder);
  report::MetricsLog log(folder / "metrics.jsonl");
  report::SummaryCsv summary(folder / "summary.csv");
  for (std::int64_t epoch = 0; epoch < std::ssize(run.top1); ++epoch) {
    const double top1 = run.top1[static_cast<std::size_t>(epoch)];
    const double time = 1000.0 + 10.0 * static_cast<double>(epoch);
    const std::int64_t step = 100 * (epoch + 1);
    log.append({step - 25, epoch, time + 4, "train", {{"loss", 2 * (1 - top1)}, {"lr", 0.1}}});
    log.append({step, epoch, time + 6, "train", {{"loss", 1 - top1}, {"lr", 0.1}}});
    log.append({step, epoch, time + 8, "eval", {{"loss", 1 - top1}, {run.metric, top1}}});
    summary.set_epoch(epoch, {{"eval_" + run.metric, top1}});
  }
  const Json config = {{"model", Json::parse(arch::spec_to_json(testing::small_spec()))},
                       {"optim", {{"lr_peak", run.lr_peak}}},
                       {"train", {{"epochs", run.planned}, {"seed", run.seed}}},
                       {"output", {{"dir", folder.string()}}}};
  write_file_atomically(folder / "config.json", config.dump());
}

/// Three runs of "soft" and one of "hard".
class ReportCommandTest : public ::testing::Test {
 protected:
  ReportCommandTest() {
    write_run(dir_ / "soft-seed0", {.top1 = {0.5, 0.7, 0.6}});
    write_run(dir_ / "soft-seed1", {.top1 = {0.6, 0.8, 0.8}, .seed = 1});
    write_run(dir_ / "soft_seed12", {.top1 = {0.7, 0.6, 0.7}, .seed = 12});
    write_run(dir_ / "hard", {.top1 = {0.25, 0.5, 0.75}});
  }
  CommandResult report(std::vector<std::string> more) {
    std::vector<std::string> words{"report", dir_ / "soft-seed0", dir_ / "soft-seed1",
                                   dir_ / "soft_seed12", dir_ / "hard"};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  }
  CommandResult only(std::vector<std::string> more) {
    more.insert(more.begin(), "report");
    return run_command(more);
  }
  Json groups(const CommandResult& result) {
    EXPECT_EQ(result.code, 0) << result.error;
    return Json::parse(result.out);
  }

  TempDir dir_;
};

TEST_F(ReportCommandTest, SeedsFormAGroupWithMeanAndSampleDeviation) {
  const Json json = groups(report({"--json"}));

  ASSERT_THAT(json, SizeIs(2));
  EXPECT_EQ(json[0]["group"], "soft");
  EXPECT_EQ(json[0]["runs"].size(), 3U);
  EXPECT_EQ(json[0]["runs"][2]["seed"], 12);
  const Json& top1 = json[0]["metrics"]["eval.top1"];
  EXPECT_NEAR(top1["last"]["mean"].get<double>(), 0.7, 1e-12);
  EXPECT_NEAR(top1["last"]["sd"].get<double>(), 0.1, 1e-12);
  EXPECT_NEAR(top1["best"]["mean"].get<double>(), (0.7 + 0.8 + 0.7) / 3, 1e-12);
  EXPECT_EQ(top1["best_is"], "max");
  EXPECT_EQ(json[0]["metrics"]["eval.loss"]["best_is"], "min");
  EXPECT_EQ(json[1]["group"], "hard");
  EXPECT_EQ(json[1]["metrics"]["eval.top1"]["last"]["mean"], 0.75);
  EXPECT_EQ(json[1]["metrics"]["eval.top1"]["last"]["sd"], nullptr);
  EXPECT_EQ(json[1]["seconds_per_epoch"]["mean"], 10.0);
  EXPECT_EQ(json[1]["parameters"], arch::TensorTable(testing::small_spec()).parameter_count());
}

TEST_F(ReportCommandTest, PrintsATableByDefault) {
  const CommandResult result = report({});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(result.log, "");
  EXPECT_THAT(result.out, HasSubstr("eval.top1 last"));
  EXPECT_THAT(result.out, HasSubstr("70.00 ± 10.00 %"));
  EXPECT_THAT(result.out, HasSubstr("75.00 %"));
}

TEST_F(ReportCommandTest, TrainingValuesAreMeansOfTheirEpoch) {
  const Json json = groups(report({"--json", "--values", "train.loss,train.lr"}));

  // 75 steps at twice the loss of the 25 after them.
  EXPECT_NEAR(json[1]["metrics"]["train.loss"]["last"]["mean"].get<double>(), 0.25 * 1.75, 1e-12);
  EXPECT_FALSE(json[1]["metrics"]["train.lr"].contains("best"));
}

TEST_F(ReportCommandTest, NamesAndExplicitGroups) {
  const std::string both = (dir_ / "soft-seed0").string() + "," + (dir_ / "hard").string();
  const Json json = groups(only({"a=" + both, dir_ / "soft-seed1", "--json"}));
  ASSERT_THAT(json, SizeIs(2));
  EXPECT_EQ(json[0]["group"], "a");
  EXPECT_EQ(json[0]["runs"].size(), 2U);
  EXPECT_EQ(json[1]["group"], "soft");

  const Json named = groups(report({"--names", "one,two", "--json"}));
  EXPECT_EQ(named[0]["group"], "one");
  EXPECT_EQ(named[1]["group"], "two");
}

TEST_F(ReportCommandTest, FoldersMayEndInASlashAndHoldAnEqualsSign) {
  write_run(dir_ / "lr=1", {.top1 = {0.5}, .planned = 1});
  const Json json = groups(
      only({dir_ / "lr=1", (dir_ / "soft-seed1").string() + "/", dir_ / "soft-seed0", "--json"}));

  ASSERT_THAT(json, SizeIs(2));
  EXPECT_EQ(json[0]["group"], "lr=1");
  EXPECT_EQ(json[1]["runs"].size(), 2U);
}

TEST_F(ReportCommandTest, DirectionOfAMetricCanBeGiven) {
  const Json json = groups(report({"--json", "--values", "eval.top1:min"}));

  EXPECT_EQ(json[1]["metrics"]["eval.top1"]["best"]["mean"], 0.25);
  EXPECT_EQ(json[1]["metrics"]["eval.top1"]["best_is"], "min");
}

TEST_F(ReportCommandTest, WritesTableAndCurves) {
  const CommandResult result =
      report({"--values", "eval.top1", "--csv", dir_ / "t.csv", "--curves", dir_ / "c.csv"});

  ASSERT_EQ(result.code, 0) << result.error;
  const std::string table = read_text_file(dir_ / "t.csv");
  EXPECT_THAT(table, HasSubstr("group,runs,epochs_min,epochs_max,parameters,seconds_per_epoch,"
                               "eval.top1.last,eval.top1.last_sd,eval.top1.best,"
                               "eval.top1.best_sd\nsoft,3,3,3,"));
  EXPECT_THAT(table, HasSubstr(",10,0.75,,0.75,\n"));
  const std::string curves = read_text_file(dir_ / "c.csv");
  EXPECT_THAT(curves, HasSubstr("group,metric,epoch,mean,min,max,runs\nsoft,eval.top1,0,0.6,0.5,"
                                "0.7,3\n"));
  EXPECT_THAT(curves, HasSubstr("\nhard,eval.top1,2,0.75,0.75,0.75,1\n"));
}

TEST_F(ReportCommandTest, PageSaysWhatTheSpreadIs) {
  const CommandResult result = report({"--out", dir_ / "page.html", "--svg", dir_ / "top1.svg"});

  ASSERT_EQ(result.code, 0) << result.error;
  const std::string page = read_text_file(dir_ / "page.html");
  EXPECT_EQ(report::markup_fault(page, true), "");
  EXPECT_THAT(page, HasSubstr("Mean ± sample standard deviation over the runs of a group"));
  EXPECT_THAT(page, HasSubstr("soft: 3 runs, seeds 0, 1, 12; hard: 1 run, seed 0."));
  EXPECT_THAT(page, HasSubstr("Top-1 accuracy, eval; 3 runs, 60.00 % to 80.00 %"));
  EXPECT_THAT(page, HasSubstr("from the lowest to the highest"));
  EXPECT_EQ(report::count_of(page, "class=\"error s0\""), 2);  // top-1 and loss of soft
  EXPECT_EQ(report::count_of(page, "class=\"error s1\""), 0);  // a single run
  EXPECT_THAT(page, Not(HasSubstr("class=\"warning\"")));
  const std::string svg = read_text_file(dir_ / "top1.svg");
  EXPECT_EQ(report::markup_fault(svg, false), "");
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(svg, HasSubstr("Top-1 accuracy, eval"));
}

TEST_F(ReportCommandTest, SingleRunsClaimNoSpread) {
  ASSERT_EQ(only({dir_ / "hard", "--out", dir_ / "page.html"}).code, 0);

  const std::string page = read_text_file(dir_ / "page.html");
  EXPECT_THAT(page, HasSubstr("Every group is a single run"));
  EXPECT_THAT(page, Not(HasSubstr("±")));
}

TEST_F(ReportCommandTest, RunsOfOtherLengthAreAllowedAndNamed) {
  write_run(dir_ / "soft-seed3", {.top1 = {0.1, 0.2}, .seed = 3});
  // The third epoch has begun; its first values are no epoch yet.
  report::MetricsLog(dir_ / "soft-seed3/metrics.jsonl")
      .append({220, 2, 1025.0, "train", {{"loss", 99.0}}});
  const CommandResult result =
      report({(dir_ / "soft-seed3").string(), "--values", "eval.top1,train.loss", "--json",
              "--curves", dir_ / "c.csv", "--out", dir_ / "page.html"});

  const Json json = groups(result);
  EXPECT_EQ(json[0]["runs"][3]["epochs"], 2);
  EXPECT_LT(json[0]["metrics"]["train.loss"]["last"]["max"].get<double>(), 2.0);
  EXPECT_THAT(result.log, HasSubstr("soft-seed3 has 2 epochs of 3 planned so far, the longest run "
                                    "of its group 3\n"));
  EXPECT_THAT(read_text_file(dir_ / "c.csv"), HasSubstr("\nsoft,eval.top1,2,0.7"));
  EXPECT_THAT(read_text_file(dir_ / "page.html"), HasSubstr("class=\"warning\">soft: "));
}

TEST_F(ReportCommandTest, RunsThatAreNoRepetitionsAreNamed) {
  write_run(dir_ / "again/soft-seed1", {.top1 = {0.1, 0.2, 0.3}, .seed = 1, .lr_peak = 0.5});
  const CommandResult result = report({(dir_ / "again/soft-seed1").string()});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.log, HasSubstr("have the same seed 1"));
  EXPECT_THAT(result.log, HasSubstr("soft: its runs differ in optim.lr_peak; NAME=DIR"));
}

TEST_F(ReportCommandTest, MetricsThatSomeRunsLackAreNamed) {
  write_run(dir_ / "other", {.top1 = {0.1, 0.2, 0.3}, .metric = "mean_iou"});
  const CommandResult result =
      report({(dir_ / "other").string(), "--values", "eval.top1", "--json"});

  EXPECT_EQ(groups(result)[2]["metrics"]["eval.top1"]["last"], nullptr);
  EXPECT_THAT(result.log, HasSubstr("other: 0 of 1 runs logged eval.top1\n"));
}

TEST_F(ReportCommandTest, OtherTasksShowTheirOwnMetrics) {
  write_run(dir_ / "a", {.top1 = {0.1, 0.2, 0.3}, .metric = "mean_iou"});
  fs::remove(dir_ / "a/config.json");
  fs::remove(dir_ / "a/summary.csv");
  const Json json = groups(only({dir_ / "a", "--json"}));

  EXPECT_EQ(json[0]["metrics"].size(), 2U);  // those of the evaluation
  EXPECT_EQ(json[0]["metrics"]["eval.mean_iou"]["last"]["mean"], 0.3);
  EXPECT_EQ(json[0]["parameters"], nullptr);
  EXPECT_EQ(json[0]["runs"][0]["planned_epochs"], nullptr);
}

TEST_F(ReportCommandTest, ADivergedRunIsShownAsSuch) {
  write_run(dir_ / "bad", {.top1 = {0.5, std::numeric_limits<double>::quiet_NaN()}, .planned = 2});
  const CommandResult result = only({dir_ / "bad", "--values", "eval.top1"});

  EXPECT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr("not finite"));
  EXPECT_THAT(result.out, HasSubstr("50.00 %"));  // the best
}

TEST_F(ReportCommandTest, UsageErrorsAreOneClearLine) {
  const std::string seed0 = dir_ / "soft-seed0";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{seed0, "--values", "eval.top"}, "'eval.top'; did you mean 'eval.top1'?"},
      {{seed0, "--values", "zzz"}, "known are train.loss, train.lr, eval.loss, eval.top1"},
      {{seed0, "--values", "eval.top1,,eval.loss"}, "[--values] "},
      {{seed0, "--values", "eval.top1,eval.top1"}, "given twice"},
      {{seed0, "--names", "a,b"}, "each of the 1 groups, got 2"},
      {{seed0, dir_ / "hard", "--names", "a,a"}, "different names"},
      {{seed0, seed0 + "/"}, "given twice"},
      {{"=" + seed0}, "NAME=DIR"},
      {{"a="}, "separated by commas"},
      {{}, "runs is required"}};
  for (const auto& [words, message] : cases) {
    const CommandResult result = only(words);
    EXPECT_EQ(result.code, 2) << message;
    EXPECT_THAT(result.error, HasSubstr(message));
    EXPECT_THAT(result.error, Not(HasSubstr("\n")));
    EXPECT_THAT(result.out, IsEmpty());
  }
}

TEST_F(ReportCommandTest, FoldersWithoutMetricsAreRefused) {
  fs::create_directories(dir_ / "empty");
  fs::create_directories(dir_ / "begun");
  write_file_atomically(dir_ / "begun/metrics.jsonl", "");
  fs::create_directories(dir_ / "torn");
  write_file_atomically(dir_ / "torn/metrics.jsonl", "{\"step\":\n{\"step\":1,\"loss\":1}\n");
  const std::vector<std::pair<std::string, std::string>> cases{
      {"empty", "run folder with metrics.jsonl, found a folder without"},
      {"nowhere", "found no such folder"},
      {"begun", "found none yet"},
      {"torn", "torn/metrics.jsonl] expected a JSON object with a step in line 1"}};
  for (const auto& [name, message] : cases) {
    const CommandResult result = only({dir_ / name});
    EXPECT_EQ(result.code, 3) << name;
    EXPECT_THAT(result.error, HasSubstr(message));
  }
}

TEST_F(ReportCommandTest, OutputsThatCannotBeWrittenAreBadData) {
  const CommandResult result = report({"--csv", dir_ / "nowhere/t.csv"});

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace conopa

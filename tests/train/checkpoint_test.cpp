#include "conopa/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "conopa/core/error.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

// Content in which every part tells which save it belongs to.
void save_number(const std::filesystem::path& path, std::int64_t number,
                 const AtomicFolderOptions& options = {}) {
  const std::vector<float> values(64, static_cast<float>(number));
  const std::vector<NamedTensor> tensors = {
      {"w", HostTensor::of<float>(DType::kF32, {64}, std::span(values))}};
  TrainState state;
  state.step = number;
  save_checkpoint(path,
                  {.config_json = "{\"n\": " + std::to_string(number) + "}",
                   .preprocessor_json = "{}",
                   .run_json = "{}",
                   .model = tensors,
                   .model_metadata = {},
                   .resume = tensors,
                   .state = state},
                  options);
}

// The number all parts agree on, or -1.
std::int64_t number_of(const std::filesystem::path& path) {
  const Checkpoint checkpoint = open_train_checkpoint(path);
  const std::int64_t number = checkpoint.state.step;
  const auto value = static_cast<float>(number);
  const bool agree = checkpoint.model->read("w").to_f32().at(63) == value &&
                     checkpoint.resume->read("w").to_f32().at(0) == value &&
                     checkpoint.config_json == "{\"n\": " + std::to_string(number) + "}";
  return agree ? number : -1;
}

// Runs `body` in a process that ends at its k-th file operation; whether it got to the end.
template <typename Body>
bool survives(int k, Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int seen = 0;
    body([&seen, k](std::string_view) {
      if (++seen == k) ::_exit(9);
    });
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class CheckpointCrashTest : public testing::TestWithParam<bool> {};

TEST_P(CheckpointCrashTest, LeavesTheOldOrTheNewCheckpointWherever) {
  const TestFolder folder;
  const std::filesystem::path last = folder / "last";
  bool whole = false;
  int k = 1;
  for (; !whole; ++k) {
    ASSERT_LT(k, 50);
    save_number(last, 1);
    whole = survives(k, [&](const FileTrace& trace) {
      save_number(last, 2, {.trace = trace, .exchange = GetParam()});
    });
    recover_folders(last.parent_path());
    EXPECT_THAT(number_of(last), testing::AnyOf(1, 2)) << "killed at operation " << k;
    EXPECT_FALSE(std::filesystem::exists(folder / ".last.new"));
    EXPECT_FALSE(std::filesystem::exists(folder / ".last.old"));
  }
  EXPECT_GT(k, 10);
  EXPECT_EQ(number_of(last), 2);
}

TEST_P(CheckpointCrashTest, CopiesLikewise) {
  const TestFolder folder;
  save_number(folder / "last", 2);
  bool whole = false;
  for (int k = 1; !whole; ++k) {
    ASSERT_LT(k, 50);
    save_number(folder / "best", 1);
    whole = survives(k, [&](const FileTrace& trace) {
      copy_checkpoint(folder / "last", folder / "best", {.trace = trace, .exchange = GetParam()});
    });
    recover_folders(folder / "");
    EXPECT_THAT(number_of(folder / "best"), testing::AnyOf(1, 2)) << "killed at operation " << k;
  }
  EXPECT_EQ(number_of(folder / "best"), 2);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutExchange, CheckpointCrashTest, testing::Bool());

TEST(CheckpointTest, KeepsEveryFieldOfTheState) {
  const TestFolder folder;
  TrainState state;
  state.step = 11;
  state.epoch = 2;
  state.interval_loss = 0.1 + 0.2;
  state.best = 1.0 / 3.0;
  save_checkpoint(folder / "c", {.config_json = "{}",
                                 .preprocessor_json = "{}",
                                 .run_json = "{}",
                                 .model = {},
                                 .model_metadata = {},
                                 .resume = {},
                                 .state = state});
  const TrainState loaded = open_train_checkpoint(folder / "c").state;
  EXPECT_EQ(loaded.step, 11);
  EXPECT_EQ(loaded.epoch, 2);
  EXPECT_EQ(loaded.interval_loss, 0.1 + 0.2);
  EXPECT_EQ(loaded.best, 1.0 / 3.0);
}

TEST(CheckpointTest, KeepsTheOldOneWhenTheDiskIsFull) {
  const TestFolder folder;
  save_number(folder / "last", 1);
  // A limit on file sizes fails writes as a full disk does.
  const auto former = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit tight{.rlim_cur = 100, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  EXPECT_THROW(save_number(folder / "last", 2), IoError);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, former);
  EXPECT_EQ(number_of(folder / "last"), 1);
  EXPECT_FALSE(std::filesystem::exists(folder / ".last.new"));
}

TEST(CheckpointTest, RefusesADamagedState) {
  const TestFolder folder;
  save_number(folder / "last", 1);
  std::ofstream(folder / "last/state.json") << "{\"step\": ";
  EXPECT_THROW(static_cast<void>(open_train_checkpoint(folder / "last")), FormatError);
  std::ofstream(folder / "last/state.json") << "{\"format\": 99}";
  EXPECT_THROW(static_cast<void>(open_train_checkpoint(folder / "last")), FormatError);
}

TEST(CheckpointTest, NamesAMissingFile) {
  const TestFolder folder;
  EXPECT_THROW(static_cast<void>(open_train_checkpoint(folder / "none")), IoError);
}

TEST(AtomicFolderTest, LeavesNothingWithoutCommit) {
  const TestFolder folder;
  {
    const AtomicFolder fresh(folder / "a");
    std::ofstream(fresh.staging() / "x") << "x";
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  EXPECT_FALSE(std::filesystem::exists(folder / ".a.new"));
}

TEST(AtomicFolderTest, RecoveryPutsAFolderMovedAsideBack) {
  const TestFolder folder;
  std::filesystem::create_directories(folder / ".a.old");
  std::filesystem::create_directories(folder / ".a.new");
  recover_folders(folder / "");
  EXPECT_TRUE(std::filesystem::exists(folder / "a"));
  EXPECT_FALSE(std::filesystem::exists(folder / ".a.new"));
}

}  // namespace
}  // namespace conopa::train

#include "conopa/core/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa {
namespace {

using namespace std::chrono_literals;

TEST(ThreadPoolTest, DeliversResultsOfManyTasks) {
  ThreadPool pool({.threads = 3});
  EXPECT_EQ(pool.size(), 3);
  std::vector<std::future<int>> results;
  for (int i = 0; i < 500; ++i) results.push_back(pool.submit([i] { return i * i; }));
  for (int i = 0; i < 500; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
}

TEST(ThreadPoolTest, DeliversExceptionsAndGoesOn) {
  ThreadPool pool({.threads = 1});
  std::future<void> bad = pool.submit([] { throw std::runtime_error("task"); });
  std::future<int> good = pool.submit([] { return 4; });
  EXPECT_THROW(bad.get(), std::runtime_error);
  EXPECT_EQ(good.get(), 4);
}

TEST(ThreadPoolTest, OneWorkerKeepsTheOrder) {
  std::vector<int> order;
  {
    ThreadPool pool({.threads = 1});
    for (int i = 0; i < 50; ++i) (void)pool.submit([&order, i] { order.push_back(i); });
    pool.wait_idle();
  }
  ASSERT_EQ(order.size(), 50U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ThreadPoolTest, TakesTasksThatCannotBeCopied) {
  ThreadPool pool({.threads = 1});
  auto value = std::make_unique<int>(5);
  EXPECT_EQ(pool.submit([value = std::move(value)] { return *value; }).get(), 5);
}

TEST(ThreadPoolTest, TasksRunAtTheSameTime) {
  ThreadPool pool({.threads = 2});
  std::promise<void> first;
  std::promise<void> second;
  // Each waits for the other: one thread alone would never end.
  auto a = pool.submit([&] {
    first.set_value();
    return second.get_future().wait_for(30s) == std::future_status::ready;
  });
  auto b = pool.submit([&] {
    second.set_value();
    return first.get_future().wait_for(30s) == std::future_status::ready;
  });
  EXPECT_TRUE(a.get());
  EXPECT_TRUE(b.get());
}

TEST(ThreadPoolTest, FullQueueMakesSubmitWait) {
  ThreadPool pool({.threads = 1, .queue_limit = 1});
  std::promise<void> gate;
  std::promise<void> started;
  auto running = pool.submit([&] {
    started.set_value();
    gate.get_future().wait();
  });
  started.get_future().wait();
  auto queued = pool.submit([] {});
  std::atomic<bool> entered{false};
  std::jthread submitter([&] {
    (void)pool.submit([] {});
    entered = true;
  });
  std::this_thread::sleep_for(30ms);
  EXPECT_FALSE(entered);
  gate.set_value();
  submitter.join();
  EXPECT_TRUE(entered);
  pool.wait_idle();
}

TEST(ThreadPoolTest, DestructionFinishesTheRunningAndDropsTheWaiting) {
  std::atomic<bool> finished{false};
  std::future<void> waiting;
  {
    std::promise<void> started;
    ThreadPool pool({.threads = 1});
    (void)pool.submit([&] {
      started.set_value();
      std::this_thread::sleep_for(30ms);
      finished = true;
    });
    started.get_future().wait();
    waiting = pool.submit([] {});
  }
  EXPECT_TRUE(finished);
  EXPECT_THROW(waiting.get(), std::future_error);
}

TEST(ThreadPoolTest, IdleMeansThatTasksReleasedWhatTheyHeld) {
  ThreadPool pool({.threads = 2});
  const auto held = std::make_shared<int>(1);
  for (int i = 0; i < 100; ++i) (void)pool.submit([held] { return *held; });
  pool.wait_idle();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(ThreadPoolTest, WaitIdleWithoutTasksReturns) {
  ThreadPool pool({.threads = 2});
  pool.wait_idle();
  EXPECT_EQ(pool.size(), 2);
}

TEST(ThreadPoolTest, ParallelForIsSerialInsideWorkers) {
  ThreadPool pool({.threads = 1});
  EXPECT_EQ(pool.submit([] { return num_threads(); }).get(), 1);
}

TEST(ThreadPoolTest, RefusesBadOptions) {
  EXPECT_THROW(ThreadPool({.threads = 0}), ConfigError);
  EXPECT_THROW(ThreadPool({.threads = 100'000}), ConfigError);
  EXPECT_THROW(ThreadPool({.threads = 1, .queue_limit = -1}), ConfigError);
}

}  // namespace
}  // namespace conopa

#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace conopa {

struct ThreadPoolOptions {
  int threads = 1;               ///< workers, at least 1
  std::int64_t queue_limit = 0;  ///< tasks that may wait; 0 = no limit

  /// @throws ConfigError for a value out of range.
  void validate() const;
};

/// A fixed set of worker threads for independent pieces of work such as decoding images. Numeric
/// loops use parallel_for instead; inside a worker parallel_for runs serially, so that the pool and
/// the OpenMP team never compete for cores.
///
/// Tasks start in the order of submission. submit may be called from any thread that is not a
/// worker (a worker waiting for room in a full queue could wait for ever).
class ThreadPool {
 public:
  /// @throws ConfigError if the options are invalid, std::system_error if no thread can be made.
  explicit ThreadPool(const ThreadPoolOptions& options);

  /// Drops tasks that have not started (their futures throw std::future_error, broken_promise),
  /// tells running ones nothing, and waits for them.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Queues `task()`, waiting while the queue is full; its result or exception arrives in the
  /// future.
  template <typename Task>
  [[nodiscard]] std::future<std::invoke_result_t<std::decay_t<Task>&>> submit(Task&& task) {
    using Result = std::invoke_result_t<std::decay_t<Task>&>;
    std::packaged_task<Result()> packaged(std::forward<Task>(task));
    std::future<Result> future = packaged.get_future();
    push(std::packaged_task<void()>([inner = std::move(packaged)]() mutable { inner(); }));
    return future;
  }

  /// Waits until every task submitted so far has ended. Not for workers.
  void wait_idle();

  /// Number of workers.
  [[nodiscard]] int size() const noexcept { return static_cast<int>(workers_.size()); }

 private:
  void push(std::packaged_task<void()> task);
  void work(const std::stop_token& stop);

  std::int64_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable_any has_task_;
  std::condition_variable has_room_;
  std::condition_variable idle_;
  std::deque<std::packaged_task<void()>> queue_;
  std::int64_t running_ = 0;
  std::vector<std::jthread> workers_;  // last: joined before the rest is destroyed
};

}  // namespace conopa

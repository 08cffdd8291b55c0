#include "conopa/core/thread_pool.h"

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa {
namespace {

constexpr int kMaxThreads = 4096;

}  // namespace

void ThreadPoolOptions::validate() const {
  if (threads < 1 || threads > kMaxThreads) {
    throw ConfigError("thread_pool", "threads must be 1 to {}, got {}", kMaxThreads, threads);
  }
  if (queue_limit < 0) {
    throw ConfigError("thread_pool", "queue_limit must be 0 (none) or more, got {}", queue_limit);
  }
}

ThreadPool::ThreadPool(const ThreadPoolOptions& options) : queue_limit_(options.queue_limit) {
  options.validate();
  workers_.reserve(static_cast<std::size_t>(options.threads));
  for (int i = 0; i < options.threads; ++i) {
    workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

ThreadPool::~ThreadPool() {
  for (std::jthread& worker : workers_) worker.request_stop();
  workers_.clear();
}

void ThreadPool::push(std::packaged_task<void()> task) {
  {
    std::unique_lock lock(mutex_);
    has_room_.wait(lock, [this] {
      return queue_limit_ == 0 || static_cast<std::int64_t>(queue_.size()) < queue_limit_;
    });
    queue_.push_back(std::move(task));
  }
  has_task_.notify_one();
}

void ThreadPool::wait_idle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && running_ == 0; });
}

void ThreadPool::work(const std::stop_token& stop) {
  set_num_threads(1);
  std::unique_lock lock(mutex_);
  while (has_task_.wait(lock, stop, [this] { return !queue_.empty(); }) && !stop.stop_requested()) {
    {
      std::packaged_task<void()> task = std::move(queue_.front());
      queue_.pop_front();
      ++running_;
      lock.unlock();
      has_room_.notify_one();
      task();  // keeps its exception for the future
    }          // what the task captured is destroyed before the pool counts as idle
    lock.lock();
    --running_;
    if (queue_.empty() && running_ == 0) idle_.notify_all();
  }
}

}  // namespace conopa

#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "conopa/core/parallel.h"

namespace conopa {

/// A small team of threads that shares the loops of one caller, without OpenMP.
///
/// Workers spin for some microseconds after a loop and then sleep, so that a hand-off inside one
/// network costs a microsecond and an idle or oversubscribed team costs no processor time. Each
/// caller (an inference session, say) has a team of its own; the teams of several callers do not
/// know of each other.
class WorkTeam {
 public:
  /// @param threads  including the caller, at least 1; more than cores is allowed.
  /// @throws std::system_error if no thread can be made.
  explicit WorkTeam(int threads);
  ~WorkTeam();
  WorkTeam(const WorkTeam&) = delete;
  WorkTeam& operator=(const WorkTeam&) = delete;

  [[nodiscard]] int size() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  /// Calls `body(part, part + 1)` for every part of [0, parts), part 0 on the calling thread;
  /// returns when all are done. The first exception is rethrown. Not for two threads at once.
  /// @param parts  at most size().
  void run(int parts, RangeFunction body);

 private:
  void work(int index);
  void do_part(int part) noexcept;

  const RangeFunction* body_ = nullptr;  // of the loop under way
  int parts_ = 0;
  std::atomic<std::uint32_t> round_{0};  // counts loops; workers wait for it to change
  std::atomic<int> running_{0};          // workers that have not finished the loop
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
  std::vector<std::jthread> workers_;  // last: joined before the rest is destroyed
};

/// While it lives, parallel_for on this thread runs on `team` instead of the OpenMP team.
class TeamScope {
 public:
  explicit TeamScope(WorkTeam& team) noexcept;
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  WorkTeam* before_;
};

}  // namespace conopa

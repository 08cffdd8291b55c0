#include "conopa/core/work_team.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#include <algorithm>

#include "core/team_state.h"

namespace conopa {
namespace {

// About 50 microseconds: longer than the gap between two layers, shorter than a scheduler's slice.
constexpr int kSpins = 2000;

void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#endif
}

// Waits until `value` is no longer `old`: spins first, then sleeps.
template <typename T>
T await_change(const std::atomic<T>& value, T old) noexcept {
  for (int i = 0; i < kSpins; ++i) {
    const T now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

WorkTeam::WorkTeam(int threads) {
  for (int i = 1; i < std::max(1, threads); ++i) {
    workers_.emplace_back([this, i] { work(i); });
  }
}

WorkTeam::~WorkTeam() {
  stop_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
}

void WorkTeam::do_part(int part) noexcept {
  try {
    (*body_)(part, part + 1);
  } catch (...) {
    if (!failed_.exchange(true)) failure_ = std::current_exception();
  }
}

void WorkTeam::work(int index) {
  team_state().inside_loop = true;  // loops inside a part run serially
  std::uint32_t seen = 0;
  for (;;) {
    seen = await_change(round_, seen);
    if (stop_.load(std::memory_order_relaxed)) return;
    if (index < parts_) do_part(index);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

void WorkTeam::run(int parts, RangeFunction body) {
  body_ = &body;
  parts_ = std::min(parts, size());
  failed_.store(false, std::memory_order_relaxed);
  running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  TeamState& state = team_state();
  const bool before = std::exchange(state.inside_loop, true);
  do_part(0);
  state.inside_loop = before;
  for (int left = running_.load(std::memory_order_acquire); left != 0;) {
    left = await_change(running_, left);
  }
  if (failed_.load(std::memory_order_relaxed)) std::rethrow_exception(std::exchange(failure_, {}));
}

TeamScope::TeamScope(WorkTeam& team) noexcept : before_(std::exchange(team_state().team, &team)) {}

TeamScope::~TeamScope() { team_state().team = before_; }

}  // namespace conopa

#include "conopa/core/parallel.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <exception>

#include "conopa/core/work_team.h"
#include "core/team_state.h"

namespace conopa {
namespace {

// Runs the loop on the thread's own team; false if it has none.
bool run_on_team(std::int64_t begin, std::int64_t end, std::int64_t most, RangeFunction body) {
  TeamState& state = team_state();
  if (state.inside_loop) {
    body(begin, end);
    return true;
  }
  if (state.team == nullptr) return false;
  const std::int64_t parts = std::min<std::int64_t>(state.team->size(), most);
  if (parts == 1) {
    body(begin, end);
    return true;
  }
  const std::int64_t count = end - begin;
  state.team->run(static_cast<int>(parts), [&](std::int64_t part, std::int64_t) {
    body(begin + count * part / parts, begin + count * (part + 1) / parts);
  });
  return true;
}

std::int64_t most_parts(std::int64_t count, std::int64_t grain) {
  return std::max<std::int64_t>(1, count / std::max<std::int64_t>(1, grain));
}

}  // namespace

#ifdef _OPENMP

int num_threads() noexcept {
  const TeamState& state = team_state();
  if (state.team != nullptr) return state.team->size();
  return std::max(1, omp_get_max_threads());
}

void set_num_threads(int threads) noexcept { omp_set_num_threads(std::max(1, threads)); }

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, RangeFunction body) {
  const std::int64_t count = end - begin;
  if (count <= 0) return;
  const std::int64_t most = most_parts(count, grain);
  if (run_on_team(begin, end, most, body)) return;
  const auto parts = static_cast<int>(std::min<std::int64_t>(num_threads(), most));
  if (parts == 1 || omp_in_parallel() != 0) {
    body(begin, end);
    return;
  }
  std::exception_ptr failure;
#pragma omp parallel num_threads(parts)
  {
    const std::int64_t team = omp_get_num_threads();
    const std::int64_t part = omp_get_thread_num();
    try {
      body(begin + count * part / team, begin + count * (part + 1) / team);
    } catch (...) {
#pragma omp critical(conopa_parallel_for)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

#else  // a build without OpenMP runs serially

int num_threads() noexcept {
  const TeamState& state = team_state();
  return state.team != nullptr ? state.team->size() : 1;
}
void set_num_threads(int) noexcept {}
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, RangeFunction body) {
  if (begin >= end || run_on_team(begin, end, most_parts(end - begin, grain), body)) return;
  body(begin, end);
}

#endif

}  // namespace conopa

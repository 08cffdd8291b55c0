#include "conopa/core/parallel.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <exception>

namespace conopa {

#ifdef _OPENMP

int num_threads() noexcept { return std::max(1, omp_get_max_threads()); }

void set_num_threads(int threads) noexcept { omp_set_num_threads(std::max(1, threads)); }

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, RangeFunction body) {
  const std::int64_t count = end - begin;
  if (count <= 0) return;
  const std::int64_t most = std::max<std::int64_t>(1, count / std::max<std::int64_t>(1, grain));
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

int num_threads() noexcept { return 1; }
void set_num_threads(int) noexcept {}
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t, RangeFunction body) {
  if (begin < end) body(begin, end);
}

#endif

}  // namespace conopa

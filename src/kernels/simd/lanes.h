#pragma once

#include <cstdint>

namespace conopa::kernels::simd {

/// Stands for "every lane" where a lane count is expected: the access then needs no mask, which
/// costs address arithmetic everywhere and tens of cycles per store in AVX2.
struct AllLanes {};

/// Calls body(i, n) for every vector of [begin, end): n lanes from element i on, AllLanes for whole
/// vectors and an integer for the last.
template <typename V, typename Body>
[[gnu::always_inline]] inline void for_vectors(std::int64_t begin, std::int64_t end,
                                               Body body) noexcept {
  std::int64_t i = begin;
  for (; i + V::kLanes <= end; i += V::kLanes) body(i, AllLanes{});
  if (i < end) body(i, end - i);
}

}  // namespace conopa::kernels::simd

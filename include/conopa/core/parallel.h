#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace conopa {

/// Threads that parallel_for uses on the calling thread (at least 1).
[[nodiscard]] int num_threads() noexcept;

/// Sets the thread count for parallel_for and for libtorch's intra-op work on the calling thread:
/// both run on the one OpenMP team, so they never compete for cores.
void set_num_threads(int threads) noexcept;

/// A non-owning reference to a callable `void(std::int64_t begin, std::int64_t end)`.
class RangeFunction {
 public:
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, RangeFunction>)
  RangeFunction(F&& f) noexcept  // NOLINT(google-explicit-constructor): a call argument
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, std::int64_t begin, std::int64_t end) {
          (*static_cast<std::remove_reference_t<F>*>(object))(begin, end);
        }) {}
  void operator()(std::int64_t begin, std::int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t, std::int64_t);
};

/// Splits [begin, end) into at most num_threads() contiguous ranges of at least `grain` and runs
/// `body` on each: on the OpenMP team, or on the calling thread's WorkTeam inside a TeamScope.
/// Serial when nested or when one range suffices. The first exception is rethrown.
/// No allocation. The split depends on the thread count only, so results repeat.
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, RangeFunction body);

}  // namespace conopa

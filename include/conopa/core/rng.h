#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace conopa {

/// What a random stream is for; part of its key, so that streams never overlap. Append only:
/// the numbers are part of "same seed, same bytes".
enum class RngPurpose : std::uint32_t {
  kInit = 1,
  kShuffle = 2,
  kAugment = 3,
  kMixup = 4,
  kDropPath = 5,
  kDropout = 6,
  kMask = 7,
  kSample = 8,
  kTest = 9,
  kPatchMask = 10,
  kVisitOrder = 11,
  kPrefix = 12,
  kClusters = 13
};

/// One block of Philox 4x32-10: four random words out of a counter and a key, a pure function.
/// @source Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
[[nodiscard]] std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                                         std::array<std::uint32_t, 2> key) noexcept;

/// Counter-based generator (Philox 4x32-10): a pure function of its key and counter.
///
/// Construct one per (seed, purpose, epoch, index): the values then do not depend on which thread
/// or worker draws them, or on what was drawn before. All distributions are written out here
/// because those of <random> differ between standard libraries. A stream holds 2^34 words, then
/// repeats. Not thread-safe; cheap to copy.
/// @source Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
class Rng {
 public:
  Rng(std::uint64_t seed, RngPurpose purpose, std::uint64_t epoch = 0, std::uint64_t index = 0);

  /// Key and position; restoring it continues the stream exactly.
  struct State {
    std::array<std::uint32_t, 2> key{};
    std::array<std::uint32_t, 4> counter{};
    std::uint32_t used = 4;
    friend bool operator==(const State&, const State&) = default;
  };
  [[nodiscard]] const State& state() const noexcept { return state_; }
  explicit Rng(const State& state);

  [[nodiscard]] std::uint32_t next_u32();
  [[nodiscard]] std::uint64_t next_u64();
  /// Uniform in [0, 1), 53 bits.
  [[nodiscard]] double uniform();
  /// Uniform in [low, high).
  [[nodiscard]] double uniform(double low, double high);
  /// Uniform integer in [0, bound), bound ≥ 1, without modulo bias.
  [[nodiscard]] std::int64_t below(std::int64_t bound);
  [[nodiscard]] bool bernoulli(double probability);
  /// Normal by Box-Muller (two uniforms per call: position-independent).
  [[nodiscard]] double normal(double mean = 0.0, double stddev = 1.0);
  /// Gamma(shape, 1) by Marsaglia-Tsang; shape > 0.
  [[nodiscard]] double gamma(double shape);
  /// Beta(a, b); a, b > 0.
  [[nodiscard]] double beta(double a, double b);
  /// A random order of 0..count-1 (Fisher-Yates); count ≥ 0.
  [[nodiscard]] std::vector<std::int64_t> permutation(std::int64_t count);

 private:
  void refill();

  State state_;
  std::array<std::uint32_t, 4> block_{};
};

}  // namespace conopa

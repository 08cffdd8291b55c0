#include "conopa/core/rng.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "conopa/core/error.h"

namespace conopa {
namespace {

using Block = std::array<std::uint32_t, 4>;

// SplitMix64 finaliser: spreads (purpose, epoch, index) over the 96 counter bits not used for
// the position inside the stream.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) noexcept {
  constexpr std::uint32_t kM0 = 0xD2511F53U;
  constexpr std::uint32_t kM1 = 0xCD9E8D57U;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(kM0) * counter[0];
    const std::uint64_t p1 = static_cast<std::uint64_t>(kM1) * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

Rng::Rng(std::uint64_t seed, RngPurpose purpose, std::uint64_t epoch, std::uint64_t index) {
  const std::uint64_t key = mix(seed ^ mix(static_cast<std::uint64_t>(purpose)));
  const std::uint64_t stream =
      mix(epoch + 0x632BE59BD9B4E019ULL * static_cast<std::uint32_t>(purpose));
  state_.key = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
  state_.counter = {0, static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(index),
                    static_cast<std::uint32_t>((index >> 32) ^ (stream >> 32))};
}

Rng::Rng(const State& state) : state_(state) {
  if (state_.used < 4) {  // regenerate the block the stored state was inside of
    Block previous = state_.counter;
    --previous[0];
    block_ = philox4x32_10(previous, state_.key);
  }
}

void Rng::refill() {
  block_ = philox4x32_10(state_.counter, state_.key);
  ++state_.counter[0];
  state_.used = 0;
}

std::uint32_t Rng::next_u32() {
  if (state_.used >= 4) refill();
  return block_[state_.used++];
}

std::uint64_t Rng::next_u64() {
  const std::uint64_t high = next_u32();
  return (high << 32) | next_u32();
}

double Rng::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

std::int64_t Rng::below(std::int64_t bound) {
  CONOPA_ASSERT(bound >= 1);
  const auto range = static_cast<std::uint64_t>(bound);
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % range;
  std::uint64_t value = next_u64();
  while (value >= limit) value = next_u64();
  return static_cast<std::int64_t>(value % range);
}

bool Rng::bernoulli(double probability) { return uniform() < probability; }

double Rng::normal(double mean, double stddev) {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return mean + stddev * radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double Rng::gamma(double shape) {
  CONOPA_ASSERT(shape > 0.0);
  if (shape < 1.0) {  // boost: Gamma(a) = Gamma(a+1) · U^(1/a)
    const double boosted = gamma(shape + 1.0);
    return boosted * std::pow(1.0 - uniform(), 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal();
    const double v = std::pow(1.0 + c * x, 3);
    if (v <= 0.0) continue;
    if (std::log(1.0 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

double Rng::beta(double a, double b) {
  const double x = gamma(a);
  const double y = gamma(b);
  return x + y > 0.0 ? x / (x + y) : static_cast<double>(bernoulli(a / (a + b)));
}

std::vector<std::int64_t> Rng::permutation(std::int64_t count) {
  CONOPA_ASSERT(count >= 0);
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::int64_t i = count - 1; i > 0; --i) {
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(below(i + 1))]);
  }
  return order;
}

}  // namespace conopa

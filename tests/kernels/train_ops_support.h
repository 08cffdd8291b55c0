#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"
#include "conopa/kernels/train_ops.h"

namespace conopa::kernels {

/// What a failing test prints for its row.
inline void PrintTo(const TrainOps& row, std::ostream* out) { *out << isa_name(row.isa); }

}  // namespace conopa::kernels

namespace conopa::kernels::testing_support {

inline std::vector<float> random_floats(std::int64_t count, std::uint64_t seed,
                                        double stddev = 1.0) {
  Rng rng(seed, RngPurpose::kTest);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.normal(0.0, stddev));
  return values;
}

inline std::vector<double> random_doubles(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed, RngPurpose::kTest);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& v : values) v = rng.normal();
  return values;
}

/// Largest difference relative to the largest expected magnitude, or to `scale` where that is
/// larger; NaN counts as infinite.
inline double relative_error(std::span<const float> actual, std::span<const float> expected,
                             double scale = 1e-30) {
  if (actual.size() != expected.size()) return HUGE_VAL;
  double largest = scale;
  for (const float e : expected) largest = std::max(largest, std::abs(static_cast<double>(e)));
  double worst = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double difference =
        std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    worst = difference <= worst ? worst : difference;  // keeps a NaN
    if (std::isnan(difference)) return HUGE_VAL;
  }
  return worst / largest;
}

/// The derivative of sum(weight * f(x)) in x[i] by central differences.
template <typename Objective>
double central_difference(std::vector<double>& x, std::size_t i, Objective objective) {
  constexpr double kStep = 1e-5;
  const double kept = x[i];
  x[i] = kept + kStep;
  const double above = objective();
  x[i] = kept - kStep;
  const double below = objective();
  x[i] = kept;
  return (above - below) / (2.0 * kStep);
}

inline double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline const TrainOps& reference_ops() { return train_ops_table().back(); }

/// Every fast row that this machine can run.
inline std::vector<TrainOps> fast_rows() {
  std::vector<TrainOps> rows;
  for (const TrainOps& row : train_ops_table()) {
    if (row.isa != Isa::kReference && row.isa <= detected_isa()) rows.push_back(row);
  }
  return rows;
}

/// Tests of each fast row against the reference; on a machine without any there is nothing to test.
class FastOpsTest : public ::testing::TestWithParam<TrainOps> {};

inline std::string isa_test_name(const ::testing::TestParamInfo<TrainOps>& info) {
  return std::string(isa_name(info.param.isa));
}

/// Runs with a thread count and restores it.
class ScopedThreads {
 public:
  explicit ScopedThreads(int threads) : before_(num_threads()) { set_num_threads(threads); }
  ~ScopedThreads() { set_num_threads(before_); }
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;

 private:
  int before_;
};

}  // namespace conopa::kernels::testing_support

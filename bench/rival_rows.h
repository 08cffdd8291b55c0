#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace conopa::bench {

/// One measurement of `bench/rivals`, in the words of `conopa bench --json`.
struct RivalRow {
  std::string precision;
  std::int64_t batch = 1;
  std::int64_t threads = 1;
  double ms_per_image = 0.0;
};

/// Median time of `repeats` calls after one that warms up, ms.
template <typename Run>
double median_ms(std::int64_t repeats, Run run) {
  std::vector<double> times;
  for (std::int64_t i = -1; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - begin;
    if (i >= 0) times.push_back(taken.count());
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

/// The rows as one JSON object on stdout.
inline void print_rows(const std::vector<RivalRow>& rows) {
  std::string text;
  for (const RivalRow& row : rows) {
    text += fmt::format(
        R"({}{{"precision":"{}","batch":{},"threads":{},"ms_per_image":{},"images_per_second":{}}})",
        text.empty() ? "" : ",", row.precision, row.batch, row.threads, row.ms_per_image,
        1000.0 / row.ms_per_image);
  }
  fmt::print("{{\"rows\":[{}]}}\n", text);
}

}  // namespace conopa::bench

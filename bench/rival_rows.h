#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "conopa/core/system.h"

namespace conopa::bench {

/// One measurement of `bench/rivals`, in the words of `conopa bench --json`.
struct RivalRow {
  std::string precision;
  std::int64_t batch = 1;
  std::int64_t threads = 1;
  double ms_per_image = 0.0;
  double cpu_ms_per_image = 0.0;  ///< processor time of all threads
};

/// Sets the times of a row: medians of `repeats` calls after one that warms up, by the row's batch.
template <typename Run>
void time_runs(std::int64_t repeats, Run run, RivalRow& row) {
  std::vector<double> wall;
  std::vector<double> cpu;
  for (std::int64_t i = -1; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const double cpu_begin = processor_seconds();
    run();
    const double cpu_taken = processor_seconds() - cpu_begin;
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - begin;
    if (i < 0) continue;
    wall.push_back(taken.count());
    cpu.push_back(1e3 * cpu_taken);
  }
  const auto median = [](std::vector<double>& times) {
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
  };
  row.ms_per_image = median(wall) / static_cast<double>(row.batch);
  row.cpu_ms_per_image = median(cpu) / static_cast<double>(row.batch);
}

/// The rows as one JSON object on stdout.
inline void print_rows(const std::vector<RivalRow>& rows) {
  std::string text;
  for (const RivalRow& row : rows) {
    text += fmt::format(
        R"({}{{"precision":"{}","batch":{},"threads":{},"ms_per_image":{},"cpu_ms_per_image":{},"images_per_second":{}}})",
        text.empty() ? "" : ",", row.precision, row.batch, row.threads, row.ms_per_image,
        row.cpu_ms_per_image, 1000.0 / row.ms_per_image);
  }
  fmt::print("{{\"rows\":[{}]}}\n", text);
}

}  // namespace conopa::bench

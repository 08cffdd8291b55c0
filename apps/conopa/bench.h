#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conopa/engine/model.h"

namespace conopa::app {

/// One combination of what a user can choose.
struct BenchCase {
  std::int64_t batch = 1;
  int threads = 1;
  double seconds = 1.0;
  std::int64_t fewest_runs = 5;
};

/// What was measured.
struct BenchRow {
  std::string precision;  ///< never "auto"
  std::string isa;
  std::int64_t batch = 0;
  int threads = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t runs = 0;
  double ms_per_image = 0.0;       ///< median run / batch
  double ms_p90 = 0.0;             ///< nine of ten runs take at most this, / batch
  double cpu_ms_per_image = 0.0;   ///< processor time of all threads, median run / batch
  double images_per_second = 0.0;  ///< of all runs together
  double gflops = 0.0;             ///< of the median; operations that are executed, two per product
  double peak_gflops = 0.0;        ///< of multiply-adds in registers in the same precision; 0: none
  std::string peak_loop;
  std::int64_t weight_bytes = 0;
  std::int64_t arena_bytes = 0;
  std::vector<std::string> explain;

  [[nodiscard]] double peak_fraction() const {
    return peak_gflops > 0.0 ? gflops / peak_gflops : 0.0;
  }
};

/// Measures a model on random images. The peak is measured in front of and behind the runs.
/// @throws RunError if the threads cannot be started.
[[nodiscard]] BenchRow measure(const engine::Model& model, const BenchCase& which);

/// The line above the rows, one row, and the rows as JSON.
[[nodiscard]] std::string bench_header();
[[nodiscard]] std::string bench_line(const BenchRow& row);
[[nodiscard]] std::string bench_json(const std::string& model, const std::vector<BenchRow>& rows);

}  // namespace conopa::app

// The measurements of conopa bench.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <system_error>

#include "bench.h"
#include "conopa/arch/cost.h"
#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/core/system.h"
#include "conopa/core/work_team.h"
#include "conopa/engine/session.h"
#include "conopa/kernels/peak.h"

namespace conopa::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<float> random_images(const arch::EncoderSpec& spec, std::int64_t batch) {
  std::vector<float> out(
      static_cast<std::size_t>(batch * spec.channels * spec.height * spec.width));
  Rng rng(1, RngPurpose::kSample);
  for (float& value : out) value = static_cast<float>(rng.uniform(-2.0, 2.0));
  return out;
}

double quantile(const std::vector<double>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::lround(share * last))];
}

kernels::ActType operands(engine::Precision precision) {
  switch (precision) {
    case engine::Precision::kBf16:
      return kernels::ActType::kBf16;
    case engine::Precision::kInt8:
      return kernels::ActType::kI8;
    default:
      return kernels::ActType::kF32;
  }
}

// Both kinds of measuring on the same threads.
class Bench {
 public:
  Bench(const engine::Model& model, const BenchCase& which)
      : model_(model),
        which_(which),
        session_(model, {.threads = which.threads, .max_batch = which.batch}),
        team_(which.threads),
        images_(random_images(model.spec(), which.batch)),
        outputs_(static_cast<std::size_t>(which.batch *
                                          std::max(model.spec().outputs(), model.spec().dim))) {}

  void look_at_peak() {
    constexpr double kSeconds = 0.1;
    const TeamScope scope(team_);
    const kernels::Peak now =
        kernels::measure_peak(model_.isa(), operands(model_.precision()), kSeconds);
    if (now.gops > peak_.gops) peak_ = now;
  }

  /// Seconds of each run, sorted: on the clock and of the processors.
  struct Times {
    std::vector<double> wall, cpu;
  };
  [[nodiscard]] Times run() {
    for (int i = 0; i < 2; ++i) once();  // the first allocates, the second fills the caches
    Times times;
    const auto start = Clock::now();
    while (std::ssize(times.wall) < which_.fewest_runs || seconds_since(start) < which_.seconds) {
      const auto begin = Clock::now();
      const double cpu_begin = processor_seconds();
      once();
      times.cpu.push_back(processor_seconds() - cpu_begin);
      times.wall.push_back(seconds_since(begin));
    }
    std::ranges::sort(times.wall);
    std::ranges::sort(times.cpu);
    return times;
  }

  [[nodiscard]] const kernels::Peak& peak() const { return peak_; }
  [[nodiscard]] std::int64_t arena_bytes() const { return session_.arena_bytes(); }

 private:
  void once() {
    const arch::EncoderSpec& spec = model_.spec();
    const bool head = spec.outputs() > 0;
    const std::span<float> out = std::span(outputs_).first(
        static_cast<std::size_t>(which_.batch * (head ? spec.outputs() : spec.dim)));
    if (head) {
      session_.run(images_, which_.batch, {.logits = out});
    } else {
      session_.run(images_, which_.batch, {.features = out});
    }
  }

  const engine::Model& model_;
  const BenchCase& which_;
  engine::Session session_;
  WorkTeam team_;  // of the peak; it sleeps while the session runs
  std::vector<float> images_;
  std::vector<float> outputs_;
  kernels::Peak peak_;
};

}  // namespace

BenchRow measure(const engine::Model& model, const BenchCase& which) try {
  Bench bench(model, which);
  bench.look_at_peak();
  const auto [times, cpu_times] = bench.run();
  bench.look_at_peak();
  const arch::EncoderSpec& spec = model.spec();
  double total = 0.0;
  for (const double time : times) total += time;
  const auto batch = static_cast<double>(which.batch);
  const double median = quantile(times, 0.5) / batch;
  return {.precision = std::string(enum_name(model.precision())),
          .isa = std::string(kernels::isa_name(model.isa())),
          .batch = which.batch,
          .threads = which.threads,
          .height = spec.height,
          .width = spec.width,
          .runs = std::ssize(times),
          .ms_per_image = 1e3 * median,
          .ms_p90 = 1e3 * quantile(times, 0.9) / batch,
          .cpu_ms_per_image = 1e3 * quantile(cpu_times, 0.5) / batch,
          .images_per_second = batch * static_cast<double>(times.size()) / total,
          .gflops = 2e-9 * static_cast<double>(arch::inference_macs(spec)) / median,
          .peak_gflops = bench.peak().gops,
          .peak_loop = std::string(bench.peak().loop),
          .weight_bytes = model.weight_bytes(),
          .arena_bytes = bench.arena_bytes(),
          .explain = model.explain(which.batch)};
} catch (const std::system_error& error) {
  throw RunError("--threads", "cannot start {} threads: {}; use fewer", which.threads,
                 error.what());
}

}  // namespace conopa::app

#pragma once

#include <chrono>

#include "conopa/train/trainer.h"

namespace conopa::train {

/// The clocks of a session: nothing that is computed may depend on them.
class RunClock {
 public:
  RunClock(const RunOptions& options, const TrainOptions& train)
      : options_(options), train_(train) {}

  /// Seconds since 1970.
  [[nodiscard]] double wall_time() const {
    if (options_.wall_time) return options_.wall_time();
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  /// Seconds since the last call, or the session's start.
  [[nodiscard]] double lap_s() {
    const Time now = Clock::now();
    return seconds(std::exchange(lap_, now), now);
  }
  /// Starts a new lap.
  void restart_lap() { lap_ = Clock::now(); }

  [[nodiscard]] bool time_is_over() const {
    return train_.time_limit_minutes > 0.0 &&
           seconds(start_, Clock::now()) >= 60.0 * train_.time_limit_minutes;
  }
  [[nodiscard]] bool save_is_due() const {
    return train_.save_minutes > 0.0 && seconds(saved_, Clock::now()) >= 60.0 * train_.save_minutes;
  }
  void saved() { saved_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  static double seconds(Time from, Time to) {
    return std::chrono::duration<double>(to - from).count();
  }

  const RunOptions& options_;
  const TrainOptions& train_;
  Time start_ = Clock::now();
  Time lap_ = start_;
  Time saved_ = start_;
};

}  // namespace conopa::train

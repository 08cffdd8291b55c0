#include "conopa/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "conopa/core/error.h"

namespace conopa::train {
namespace {

// Both ends included; a single value is the start.
void append_line(std::vector<double>& out, double start, double stop, std::int64_t count) {
  const double step = count > 1 ? (stop - start) / static_cast<double>(count - 1) : 0.0;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(start + static_cast<double>(i) * step);
  if (count > 1) out.back() = stop;
}

std::int64_t total_steps(std::string_view where, std::int64_t epochs, std::int64_t steps) {
  if (epochs < 0 || steps < 0) {
    throw ConfigError(where, "epochs and steps per epoch must not be negative, got {} and {}",
                      epochs, steps);
  }
  return epochs * steps;
}

std::int64_t steps_of(std::string_view where, std::string_view what, double epochs,
                      std::int64_t steps_per_epoch, std::int64_t total) {
  const double steps = epochs * static_cast<double>(steps_per_epoch);
  if (!(steps >= 0.0) || steps > static_cast<double>(total)) {
    throw ConfigError(where, "{} must lie inside the run of {} steps, got {} epochs of {} steps",
                      what, total, epochs, steps_per_epoch);
  }
  return std::llround(steps);
}

double half_cosine(double base, double final, double angle) {
  return final + 0.5 * (base - final) * (1.0 + std::cos(angle));
}

// The learning rate of epoch number `t`.
double epoch_value(const LrSchedule& s, std::int64_t t, std::int64_t epochs) {
  const auto number = static_cast<double>(t);
  if (number < s.warmup.epochs) {
    return s.warmup.start + (s.peak - s.warmup.start) * number / s.warmup.epochs;
  }
  return half_cosine(s.peak, s.final, std::numbers::pi * number / static_cast<double>(epochs));
}

std::vector<double> fraction_schedule(const LrSchedule& s, std::int64_t total, double warmup) {
  std::vector<double> out;
  for (std::int64_t step = 0; step < total; ++step) {
    const double done = static_cast<double>(step) / static_cast<double>(total);
    out.push_back(done < warmup ? s.warmup.start + (s.peak - s.warmup.start) * done / warmup
                                : half_cosine(s.peak, s.final,
                                              std::numbers::pi * (done - warmup) / (1.0 - warmup)));
  }
  return out;
}

// Early part by shape from `rate` down, late part constant.
std::vector<double> two_parts(CutoffShape shape, double early, double late, std::int64_t cut,
                              std::int64_t total) {
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(total));
  append_line(out, early, shape == CutoffShape::kLinear ? 0.0 : early, cut);
  out.resize(static_cast<std::size_t>(total), late);
  return out;
}

}  // namespace

std::vector<double> cosine_schedule(double base, double final, std::int64_t epochs,
                                    std::int64_t steps_per_epoch, const Warmup& warmup) {
  const std::int64_t total = total_steps("schedule", epochs, steps_per_epoch);
  const std::int64_t warm =
      steps_of("schedule", "the warm-up", warmup.epochs, steps_per_epoch, total);
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(total));
  append_line(out, warmup.start, base, warm);
  const auto length = static_cast<double>(total - warm);
  for (std::int64_t i = 0; i < total - warm; ++i) {
    out.push_back(half_cosine(base, final, std::numbers::pi * static_cast<double>(i) / length));
  }
  return out;
}

std::vector<double> lr_schedule(const LrSchedule& schedule, std::int64_t epochs,
                                std::int64_t steps_per_epoch) {
  if (schedule.mode == LrMode::kStep) {
    return cosine_schedule(schedule.peak, schedule.final, epochs, steps_per_epoch, schedule.warmup);
  }
  const std::int64_t total = total_steps("schedule", epochs, steps_per_epoch);
  static_cast<void>(
      steps_of("schedule", "the warm-up", schedule.warmup.epochs, steps_per_epoch, total));
  if (schedule.mode == LrMode::kFraction) {
    const double warm = epochs > 0 ? schedule.warmup.epochs / static_cast<double>(epochs) : 0.0;
    return fraction_schedule(schedule, total, warm);
  }
  const std::int64_t lag = schedule.mode == LrMode::kEpochLagged ? 1 : 0;
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(total));
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    const double value = epoch_value(schedule, std::max<std::int64_t>(0, epoch - lag), epochs);
    out.insert(out.end(), static_cast<std::size_t>(steps_per_epoch), value);
  }
  return out;
}

std::vector<double> mask_schedule(const MaskSchedule& schedule, std::int64_t epochs,
                                  std::int64_t steps_per_epoch) {
  const std::int64_t total = total_steps("mask", epochs, steps_per_epoch);
  if (schedule.mode == MaskMode::kStandard) {
    return std::vector<double>(static_cast<std::size_t>(total), schedule.rate);
  }
  const std::int64_t cut =
      steps_of("mask", "cutoff_epochs", schedule.cutoff_epochs, steps_per_epoch, total);
  return two_parts(schedule.shape, schedule.rate, 0.0, cut, total);
}

std::vector<double> drop_schedule(const DropSchedule& schedule, std::int64_t epochs,
                                  std::int64_t steps_per_epoch) {
  const std::int64_t total = total_steps("drop_path", epochs, steps_per_epoch);
  if (schedule.mode == DropMode::kStandard) {
    return std::vector<double>(static_cast<std::size_t>(total), schedule.rate);
  }
  const std::int64_t cut =
      steps_of("drop_path", "cutoff_epochs", schedule.cutoff_epochs, steps_per_epoch, total);
  if (schedule.mode == DropMode::kEarly) {
    return two_parts(schedule.shape, schedule.rate, 0.0, cut, total);
  }
  if (schedule.shape == CutoffShape::kLinear) {
    throw ConfigError("drop_path", "a late schedule must be constant, got linear");
  }
  return two_parts(CutoffShape::kConstant, 0.0, schedule.rate, cut, total);
}

}  // namespace conopa::train

#include "report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace conopa::report {
namespace {

/// The smallest of 1, 2, 2.5, 5 × 10^k that needs at most `count` steps for `range`.
double nice_step(double range, int count) {
  const double raw = range / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (raw <= factor * power * (1 + 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

/// Whether two limits are too close for round values to lie between them.
bool is_degenerate(double low, double high) {
  return !(high - low > 1e-9 * std::max(std::abs(low), std::abs(high)));
}

/// Decimals needed to tell multiples of a step apart.
int decimals_of(double step) {
  int decimals = 0;
  for (double x = std::abs(step); decimals < 12; ++decimals, x *= 10) {
    if (std::abs(x - std::round(x)) < 1e-6 * x) break;
  }
  return decimals;
}

/// A tick's text, thousands and millions shortened to k and M.
std::string tick_label(double value, double step, ValueFormat format) {
  if (value == 0) return format == ValueFormat::kPercent ? "0%" : "0";
  if (format == ValueFormat::kPercent) {
    return fmt::format("{:.{}f}%", 100 * value, decimals_of(100 * step));
  }
  const double magnitude = std::max(std::abs(value), step);
  if (magnitude >= 1e10 || step < 1e-4) return fmt::format("{:.3g}", value);
  if (magnitude >= 1e6) return fmt::format("{:.{}f}M", value / 1e6, decimals_of(step / 1e6));
  if (magnitude >= 1e4) return fmt::format("{:.{}f}k", value / 1e3, decimals_of(step / 1e3));
  return fmt::format("{:.{}f}", value, decimals_of(step));
}

std::vector<Tick> linear_ticks(double low, double high, double step, ValueFormat format) {
  std::vector<Tick> ticks;
  const auto first = std::ceil(low / step - 1e-6);
  for (double i = first; i * step <= high + step * 1e-6 && ticks.size() < 100; ++i) {
    const double value = i * step + 0.0;  // + 0.0 turns -0 into 0
    ticks.push_back({value, tick_label(value, step, format)});
  }
  return ticks;
}

std::vector<Tick> log_ticks(double low, double high, int count, ValueFormat format) {
  const double decades = std::log10(high / low);
  const int stride = std::max(1, static_cast<int>(std::ceil(decades / count)));
  const std::vector<double> factors =
      decades > 2.5 ? std::vector<double>{1} : std::vector<double>{1, 2, 5};
  std::vector<Tick> ticks;
  for (double k = std::floor(std::log10(low)); k <= std::log10(high); k += stride) {
    for (const double factor : factors) {
      const double value = factor * std::pow(10.0, k);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      const double shown = format == ValueFormat::kPercent ? 100 * value : value;
      ticks.push_back(
          {value, fmt::format("{:g}{}", shown, format == ValueFormat::kPercent ? "%" : "")});
    }
  }
  return ticks;
}

}  // namespace

double Axis::position(double value) const {
  if (scale == AxisScale::kLog) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

Axis make_axis(double low, double high, int count, AxisScale scale, ValueFormat format) {
  if (scale == AxisScale::kLog) {
    if (is_degenerate(low, high)) high = low * 10;
    if (high / low < 4) {  // less than a 1-2-5 step either side: widen for at least two ticks
      const double middle = std::sqrt(low * high);
      low = middle / 2;
      high = middle * 2;
    }
    return {low, high, scale, log_ticks(low, high, count, format)};
  }
  if (is_degenerate(low, high)) {
    const double margin = low == 0 ? 1.0 : std::abs(low) * 0.5;
    low -= low > 0 ? std::min(margin, low) : margin;
    high += margin;
  }
  const double step = nice_step(high - low, count);
  low = std::floor(low / step + 1e-6) * step;
  high = std::ceil(high / step - 1e-6) * step;
  return {low, high, scale, linear_ticks(low, high, step, format)};
}

Axis make_exact_axis(double low, double high, int count) {
  if (is_degenerate(low, high)) {
    const double margin = std::max(1.0, 1e-6 * std::abs(low));
    low -= margin;
    high += margin;
  }
  // Steps and epochs are whole numbers.
  const double step = std::max(nice_step(high - low, count), 1.0);
  return {low, high, AxisScale::kLinear,
          linear_ticks(low, high, std::ceil(step), ValueFormat::kNumber)};
}

Axis make_value_axis(const std::vector<double>& values, int count, AxisScale scale) {
  const bool log = scale == AxisScale::kLog;
  const auto forwards = [log](double value) { return log ? std::log(value) : value; };
  const auto backwards = [log](double value) { return log ? std::exp(value) : value; };
  double low = values.empty() ? forwards(1.0) : forwards(values.front());
  double high = values.empty() ? forwards(10.0) : forwards(values.back());
  const double margin = is_degenerate(low, high)
                            ? (log ? std::log(2.0) : (low == 0 ? 1.0 : std::abs(low) * 0.5))
                            : 0.04 * (high - low);
  low = backwards(low - margin);
  high = backwards(high + margin);
  Axis axis{low, high, scale, {}};
  if (values.size() <= kMaxNamedTicks) {
    for (const double value : values) axis.ticks.push_back({value, format_plain(value)});
    return axis;
  }
  if (log) axis.ticks = log_ticks(low, high, count, ValueFormat::kNumber);
  if (axis.ticks.size() < 2) {
    axis.ticks = linear_ticks(low, high, nice_step(high - low, count), ValueFormat::kNumber);
  }
  return axis;
}

std::string format_plain(double value) {
  const bool whole = std::abs(value) < 1e7 && value == std::round(value);
  return whole ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

std::string format_value(double value, ValueFormat format) {
  if (format == ValueFormat::kPercent) return fmt::format("{:.2f} %", 100 * value);
  return fmt::format("{:.4g}", value);
}

std::string format_count(long long count) {
  const std::string digits = fmt::format("{}", count);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t left = digits.size() - i;
    if (left % 3 == 0 && i > 0 && digits[i - 1] != '-') out += ',';
    out += digits[i];
  }
  return out;
}

}  // namespace conopa::report

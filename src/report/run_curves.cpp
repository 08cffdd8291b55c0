#include "conopa/report/run_curves.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace conopa::report {
namespace {

constexpr std::size_t kBars = 24;  // of a line, at most about so many
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

bool is_counted(std::int64_t epoch, const std::optional<std::int64_t>& epochs) {
  return !epochs || epoch < *epochs;
}

}  // namespace

EpochCurve epoch_curve(const MetricSeries& series, std::optional<std::int64_t> epochs) {
  struct Sum {
    double weight = 0.0;
    double value = 0.0;
  };
  std::map<std::int64_t, Sum> sums;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < series.values.size(); ++i) {
    const auto weight = static_cast<double>(std::max<std::int64_t>(series.steps[i] - before, 1));
    before = series.steps[i];
    if (!is_counted(series.epochs[i], epochs)) continue;
    Sum& sum = sums[series.epochs[i]];
    sum.weight += weight;
    // Not a sum of products: a lone value must come out with every bit.
    sum.value += (series.values[i] - sum.value) * (weight / sum.weight);
  }
  EpochCurve curve;
  for (const auto& [epoch, sum] : sums) {
    curve.epochs.push_back(epoch);
    curve.values.push_back(sum.value);
  }
  return curve;
}

std::optional<double> best_value(const EpochCurve& curve, Better better) {
  if (better == Better::kNeither) return std::nullopt;
  std::optional<double> best;
  for (const double value : curve.values) {
    if (!std::isfinite(value)) continue;
    if (!best || (better == Better::kHigher ? value > *best : value < *best)) best = value;
  }
  return best;
}

std::vector<SpreadPoint> join_curves(std::span<const EpochCurve> curves) {
  std::map<std::int64_t, std::vector<double>> values;
  for (const EpochCurve& curve : curves) {
    for (std::size_t i = 0; i < curve.epochs.size(); ++i) {
      values[curve.epochs[i]].push_back(curve.values[i]);
    }
  }
  std::vector<SpreadPoint> points;
  for (const auto& [epoch, of_runs] : values) points.push_back({epoch, *eval::spread(of_runs)});
  return points;
}

PlotSeries spread_series(std::string name, std::span<const SpreadPoint> points, int color) {
  PlotSeries series{.name = std::move(name), .color = color};
  const bool bars = std::any_of(points.begin(), points.end(),
                                [](const SpreadPoint& point) { return point.spread.count > 1; });
  const std::size_t stride = (points.size() + kBars - 1) / kBars;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const eval::Spread& spread = points[i].spread;
    series.x.push_back(static_cast<double>(points[i].epoch + 1));
    series.y.push_back(spread.mean);
    if (!bars) continue;
    const bool barred = spread.count > 1 && (i + static_cast<std::size_t>(color)) % stride == 0;
    series.y_low.push_back(barred ? spread.low : kMissing);
    series.y_high.push_back(barred ? spread.high : kMissing);
  }
  return series;
}

std::optional<double> seconds_per_epoch(std::span<const MetricEvent> events,
                                        std::optional<std::int64_t> epochs) {
  std::map<std::int64_t, double> ends;
  for (const MetricEvent& event : events) {
    if (is_counted(event.epoch, epochs)) ends[event.epoch] = event.wall_time;
  }
  std::vector<double> seconds;
  for (auto it = ends.begin(); it != ends.end(); ++it) {
    const auto next = std::next(it);
    if (next != ends.end() && next->first == it->first + 1) {
      seconds.push_back(next->second - it->second);
    }
  }
  if (seconds.empty()) return std::nullopt;
  std::sort(seconds.begin(), seconds.end());
  const std::size_t middle = seconds.size() / 2;
  return seconds.size() % 2 == 1 ? seconds[middle] : 0.5 * (seconds[middle - 1] + seconds[middle]);
}

}  // namespace conopa::report

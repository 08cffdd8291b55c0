#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conopa/eval/spread.h"
#include "conopa/report/metric_look.h"
#include "conopa/report/metrics_log.h"
#include "conopa/report/plot.h"

namespace conopa::report {

/// One metric of one run with one value per epoch.
struct EpochCurve {
  std::vector<std::int64_t> epochs{};  ///< ascending, counted from 0
  std::vector<double> values{};        ///< as many
};

/// Reduces a series to its epochs: the mean of the values of an epoch, weighted by the steps that
/// each stands for (those since the value before), which for losses of intervals is the loss of the
/// epoch. A value that is not finite stays visible: it makes its epoch so.
/// @param epochs  only epochs below this number, such as the finished ones; all by default.
[[nodiscard]] EpochCurve epoch_curve(const MetricSeries& series,
                                     std::optional<std::int64_t> epochs = std::nullopt);

/// The best finite value of a curve; nothing if it has none or the metric has no better and worse.
[[nodiscard]] std::optional<double> best_value(const EpochCurve& curve, Better better);

/// An epoch of several runs together.
struct SpreadPoint {
  std::int64_t epoch = 0;
  eval::Spread spread{};  ///< over the runs that have the epoch
};

/// Joins the curves of repetitions of a run, epochs ascending.
[[nodiscard]] std::vector<SpreadPoint> join_curves(std::span<const EpochCurve> curves);

/// The mean as a line over the epochs done (from 1), with bars from the lowest to the highest run.
///
/// Only every k-th point has its bar where there are more than about two dozen, so that a chart
/// stays readable; points of a single run have none.
/// @param color of the palette; also shifts the barred points, so that bars of several lines stand
///              beside each other.
[[nodiscard]] PlotSeries spread_series(std::string name, std::span<const SpreadPoint> points,
                                       int color);

/// Median seconds from the end of one epoch to the end of the next, which a pause of a resumed run
/// hardly moves; nothing below two epochs.
/// @param epochs  as in epoch_curve.
[[nodiscard]] std::optional<double> seconds_per_epoch(
    std::span<const MetricEvent> events, std::optional<std::int64_t> epochs = std::nullopt);

}  // namespace conopa::report

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/eval/classification.h"
#include "conopa/image/image.h"
#include "conopa/report/svg.h"

namespace conopa::report {

enum class AxisScale { kLinear, kLog };
/// How axis labels and tooltips write values; percent multiplies by 100.
enum class ValueFormat { kNumber, kPercent };
/// What the x values are. kSteps: whole numbers counted from 0; kLinear, kLog: measured or chosen
/// values such as image sizes or learning rates, of which up to twelve are labelled themselves.
enum class XAxis { kSteps, kLinear, kLog };

/// One line of a chart. Points that are not finite leave a gap.
struct PlotSeries {
  std::string name{};       ///< in legend and tooltips; without a name, no legend entry
  std::vector<double> x{};  ///< ascending
  std::vector<double> y{};  ///< as many as x
  int color = 0;  ///< of six: 0 blue, 1 orange, 2 green, 3 violet, ...; from 6 on the same dashed
  /// Ends of an error bar per point, such as the worst and best of several seeds; both lists empty:
  /// no bars. A point with an end that is not finite has none.
  std::vector<double> y_low{};
  std::vector<double> y_high{};
};

/// Data, texts and size in px of a line chart.
struct LineChart {
  std::string title{};  ///< for screen readers; the page prints its own heading
  std::string x_label = "step";
  XAxis x_axis = XAxis::kSteps;
  AxisScale y_scale = AxisScale::kLinear;
  ValueFormat y_format = ValueFormat::kNumber;
  std::vector<PlotSeries> series{};
  double width = 460;
  double height = 270;
  /// Noisy series over more steps than this are drawn pale, with a smoothed line on top.
  std::size_t smooth_above = 60;
  /// A value that the y axis shows in any case.
  std::optional<double> include{};
};

/// Lines with axes, legend and tooltips. Series of any length are reduced to the picture's
/// resolution (lowest and highest value per column), so the size stays bounded. On a log scale
/// values ≤ 0 are left out, and bars that reach them.
/// @throws ShapeError if x, y and the bars of a series differ in length.
[[nodiscard]] std::string line_chart_svg(const LineChart& chart, SvgUse use = SvgUse::kEmbedded);

/// Mean of two exponential moving averages, one running forwards and one backwards, each with
/// start-up correction: unlike a one-sided average it does not lag behind. Values that are not
/// finite are passed through and do not enter.
/// @param weight of the neighbours, in [0, 1).
[[nodiscard]] std::vector<double> smoothed(const std::vector<double>& values, double weight);

/// Horizontal bars with labels and values.
struct BarChart {
  std::string title{};
  std::vector<std::pair<std::string, double>> bars{};
  ValueFormat format = ValueFormat::kNumber;
  std::optional<double> full{};  ///< value of a bar across the whole width; the largest by default
  double width = 460;
  int color = 0;
};
[[nodiscard]] std::string bar_chart_svg(const BarChart& chart, SvgUse use = SvgUse::kEmbedded);

/// Accuracy against confidence per bin with the gap to the diagonal, and the share of samples per
/// bin below.
[[nodiscard]] std::string reliability_svg(const eval::Calibration& calibration,
                                          SvgUse use = SvgUse::kEmbedded);

/// Largest class count whose confusion matrix is drawn as SVG with labels.
inline constexpr std::int64_t kMaxLabelledClasses = 30;

/// Confusion matrix with labels: rows are true classes, colour the share of the row, blue on the
/// diagonal and orange beside it; counts are printed where cells are large enough.
/// @param names  class names; missing ones are replaced by numbers.
/// @throws ShapeError if the result has no matrix or more than kMaxLabelledClasses classes.
[[nodiscard]] std::string confusion_svg(const eval::ClassificationResult& result,
                                        const std::vector<std::string>& names,
                                        SvgUse use = SvgUse::kEmbedded);

/// The same for any number of classes as RGBA pixels on a transparent ground, at most 512 per side
/// (neighbouring classes are pooled) and enlarged to at least 360 by whole factors.
/// @throws ShapeError if the result has no matrix.
[[nodiscard]] image::Image confusion_image(const eval::ClassificationResult& result);

/// Arranges images of any sizes in a grid of equal cells, centred, on a transparent ground (RGBA).
/// @throws ConfigError if columns < 1 or gap < 0.
[[nodiscard]] image::Image image_grid(const std::vector<image::Image>& images, std::int64_t columns,
                                      std::int64_t gap = 2);

/// A picture with a word about it; small ones are enlarged with sharp pixels where they are shown.
struct CaptionedImage {
  std::string caption{};  ///< "input"
  image::Image image{};
};

/// What a model continued: one row per image, its pictures from left to right (say input, prefix,
/// prediction one step ahead, roll-out) in whole multiples of their size, at least `side_px` high.
/// Captions are the page's business (see ReconstructionSample).
/// @return RGBA on a transparent ground, as image_grid; empty without rows.
/// @throws ShapeError unless every row has as many pictures as the first, none empty; ConfigError
///         if side_px < 1.
[[nodiscard]] image::Image rollout_grid(const std::vector<std::vector<CaptionedImage>>& rows,
                                        std::int64_t side_px = 96);

/// The class's name, or its number where names are missing.
[[nodiscard]] std::string class_name(const std::vector<std::string>& names, std::int64_t index);

}  // namespace conopa::report

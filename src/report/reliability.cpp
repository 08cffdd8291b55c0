#include <fmt/format.h>

#include <algorithm>

#include "conopa/report/plot.h"
#include "report/axis.h"
#include "report/theme.h"

namespace conopa::report {
namespace {

constexpr double kWidth = 380.0;
constexpr double kLeft = 46.0;
constexpr double kTop = 22.0;
constexpr double kSide = 250.0;  // height of the accuracy part
constexpr double kPlotWidth = kWidth - kLeft - 10;
constexpr double kShareTop = kTop + kSide + 20;
constexpr double kShareHeight = 54.0;
constexpr double kBottom = kShareTop + kShareHeight;

double px(double confidence) { return kLeft + confidence * kPlotWidth; }
double py(double accuracy) { return kTop + (1.0 - accuracy) * kSide; }

void draw_axes(SvgBuilder& svg) {
  for (int i = 0; i <= 5; ++i) {
    const double value = i / 5.0;
    const std::string label = fmt::format("{}%", 20 * i);
    svg.line(kLeft, py(value), px(1), py(value), "grid");
    svg.text(kLeft - 8, py(value) + 4, label, "end");
    svg.line(px(value), kBottom, px(value), kBottom + 4, "axis");
    svg.text(px(value), kBottom + 17, label, i == 5 ? "end" : "middle");
  }
  svg.line(kLeft, kBottom, px(1), kBottom, "axis");
  svg.line(kLeft, py(0), px(1), py(0), "axis");
  svg.text(px(1), kBottom + 33, "confidence", "end axis-name");
}

void draw_bin(SvgBuilder& svg, const eval::CalibrationBin& bin, double share, double largest) {
  const double x = px(bin.low) + 1;
  const double width = px(bin.high) - px(bin.low) - 2;
  const std::string title = fmt::format(
      "confidence {:.0f}–{:.0f} %\n{} samples ({:.1f} %)\nmean confidence {:.1f} %\n"
      "accuracy {:.1f} %",
      100 * bin.low, 100 * bin.high, format_count(bin.count), 100 * share, 100 * bin.confidence,
      100 * bin.accuracy);
  const double upper = std::max(bin.accuracy, bin.confidence);
  const double lower = std::min(bin.accuracy, bin.confidence);
  svg.rect(x, py(lower), width, py(0) - py(lower), "fill s0", title);
  svg.rect(x, py(upper), width, py(lower) - py(upper), "gap", title);
  svg.rect(x, py(bin.accuracy) - 1.5, width, 3, "fill s0", title);
  const double height = std::max(kShareHeight * share / largest, 1.0);
  svg.rect(x, kBottom - height, width, height, "fill s2", title);
}

void draw_legend(SvgBuilder& svg) {
  double x = 2.0;
  for (const auto& [classes, name] : {std::pair("fill s0", "accuracy"), std::pair("gap", "gap"),
                                      std::pair("fill s2", "share of samples")}) {
    svg.rect(x, 3, 10, 10, classes);
    svg.text(x + 16, 12, name, "start strong");
    x += 16 + text_width(name, kTickPx) + 18;
  }
}

}  // namespace

std::string reliability_svg(const eval::Calibration& calibration, SvgUse use) {
  SvgBuilder svg(kWidth, kBottom + 38,
                 fmt::format("Reliability diagram: ECE {:.2f} %, MCE {:.2f} %",
                             100 * calibration.ece, 100 * calibration.mce));
  draw_legend(svg);
  draw_axes(svg);
  double total = 0.0;
  double largest = 0.0;
  for (const eval::CalibrationBin& bin : calibration.bins) {
    total += static_cast<double>(bin.count);
    largest = std::max(largest, static_cast<double>(bin.count));
  }
  for (const eval::CalibrationBin& bin : calibration.bins) {
    if (bin.count > 0) draw_bin(svg, bin, static_cast<double>(bin.count) / total, largest / total);
  }
  svg.line(px(0), py(0), px(1), py(1), "diagonal");
  return svg.finish(use);
}

}  // namespace conopa::report

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "conopa/core/error.h"
#include "conopa/report/plot.h"
#include "report/axis.h"
#include "report/theme.h"

namespace conopa::report {
namespace {

constexpr std::int64_t kMaxPixels = 512;
constexpr std::int64_t kMinPixels = 360;
constexpr double kLabelRoom = 92.0;

void require_matrix(const eval::ClassificationResult& result) {
  if (!result.has_confusion()) {
    throw ShapeError("plot", "expected a confusion matrix, found none; the result has {} classes",
                     result.num_classes);
  }
}

/// Colour strength of a share: the square root makes rare confusions visible.
double strength(double share) { return std::sqrt(std::clamp(share, 0.0, 1.0)); }

struct MatrixLayout {
  double cell = 0;
  double left = 0;
  double top = 0;
  double side = 0;
};

MatrixLayout make_layout(std::int64_t classes, const std::vector<std::string>& names) {
  double label = 0.0;
  for (std::int64_t k = 0; k < classes; ++k) {
    label = std::max(label, text_width(class_name(names, k), kTickPx));
  }
  label = std::min(label, kLabelRoom);
  MatrixLayout layout;
  layout.cell = std::clamp(400.0 / static_cast<double>(classes), 16.0, 44.0);
  layout.left = 1.1 * label + 12;  // fonts differ in width
  layout.top = label * 0.75 + 14;  // column labels rise at 45 degrees
  layout.side = layout.cell * static_cast<double>(classes);
  return layout;
}

void draw_labels(SvgBuilder& svg, const MatrixLayout& layout, std::int64_t classes,
                 const std::vector<std::string>& names) {
  for (std::int64_t k = 0; k < classes; ++k) {
    const std::string name = fit_text(class_name(names, k), kTickPx, kLabelRoom);
    const double middle = (static_cast<double>(k) + 0.5) * layout.cell;
    svg.text(layout.left - 8, layout.top + middle + 4, name, "end strong");
    svg.text(layout.left + middle + 2, layout.top - 6, name, "start strong", -45);
  }
}

void draw_cell(SvgBuilder& svg, const MatrixLayout& layout,
               const eval::ClassificationResult& result, const std::vector<std::string>& names,
               std::int64_t row, std::int64_t column) {
  const std::int64_t count =
      result.confusion[static_cast<std::size_t>(row * result.num_classes + column)];
  const std::int64_t support = result.classes[static_cast<std::size_t>(row)].support;
  const double x = layout.left + static_cast<double>(column) * layout.cell;
  const double y = layout.top + static_cast<double>(row) * layout.cell;
  svg.rect(x, y, layout.cell, layout.cell, "cell track");
  if (count == 0) return;
  const double share = static_cast<double>(count) / static_cast<double>(support);
  const std::string title =
      fmt::format("{} → {}\n{} of {} ({:.1f} %)", class_name(names, row), class_name(names, column),
                  format_count(count), format_count(support), 100 * share);
  svg.rect(x, y, layout.cell, layout.cell, row == column ? "cell fill s0" : "cell fill s1", title,
           fmt::format("fill-opacity=\"{}\"", svg_number(strength(share))));
  const std::string digits = fmt::format("{}", count);
  if (text_width(digits, kTickPx) > layout.cell - 4) return;
  svg.text(x + layout.cell / 2, y + layout.cell / 2 + 4, digits,
           strength(share) > 0.6 ? "count middle on-heat" : "count middle");
}

/// Row shares after pooling `pool` neighbouring classes, [n, n].
std::vector<double> pooled_shares(const eval::ClassificationResult& result, std::int64_t pool,
                                  std::int64_t n) {
  std::vector<double> cells(static_cast<std::size_t>(n * n), 0.0);
  for (std::size_t i = 0; i < result.confusion.size(); ++i) {
    const auto cell = static_cast<std::int64_t>(i);
    const std::int64_t row = cell / result.num_classes / pool;
    const std::int64_t column = cell % result.num_classes / pool;
    cells[static_cast<std::size_t>(row * n + column)] += static_cast<double>(result.confusion[i]);
  }
  for (auto row = cells.begin(); row != cells.end(); row += n) {
    double total = 0.0;
    for (auto it = row; it != row + n; ++it) total += *it;
    if (total > 0) std::for_each(row, row + n, [total](double& x) { x /= total; });
  }
  return cells;
}

}  // namespace

std::string class_name(const std::vector<std::string>& names, std::int64_t index) {
  const auto i = static_cast<std::size_t>(index);
  return i < names.size() && !names[i].empty() ? names[i] : fmt::format("{}", index);
}

std::string confusion_svg(const eval::ClassificationResult& result,
                          const std::vector<std::string>& names, SvgUse use) {
  require_matrix(result);
  if (result.num_classes > kMaxLabelledClasses) {
    throw ShapeError("plot",
                     "expected at most {} classes for a labelled matrix, got {}; use "
                     "confusion_image",
                     kMaxLabelledClasses, result.num_classes);
  }
  const MatrixLayout layout = make_layout(result.num_classes, names);
  // The last column's slanted label reaches out to the right.
  const double overhang = std::max(layout.top - layout.cell / 2, 4.0);
  SvgBuilder svg(layout.left + layout.side + overhang, layout.top + layout.side + 20,
                 "Confusion matrix, rows are true classes, columns predictions");
  draw_labels(svg, layout, result.num_classes, names);
  for (std::int64_t row = 0; row < result.num_classes; ++row) {
    for (std::int64_t column = 0; column < result.num_classes; ++column) {
      draw_cell(svg, layout, result, names, row, column);
    }
  }
  svg.text(layout.left + layout.side, layout.top + layout.side + 15,
           "rows: true · columns: predicted", "end axis-name");
  return svg.finish(use);
}

image::Image confusion_image(const eval::ClassificationResult& result) {
  require_matrix(result);
  const std::int64_t pool = (result.num_classes + kMaxPixels - 1) / kMaxPixels;
  const std::int64_t n = (result.num_classes + pool - 1) / pool;
  const std::vector<double> shares = pooled_shares(result, pool, n);
  const std::int64_t zoom = n >= kMinPixels ? 1 : (kMinPixels + n - 1) / n;
  image::Image out(n * zoom, n * zoom, 4);
  for (std::int64_t y = 0; y < out.height; ++y) {
    for (std::int64_t x = 0; x < out.width; ++x) {
      const std::int64_t row = y / zoom;
      const std::int64_t column = x / zoom;
      const Rgb color = row == column ? kHeatRight : kHeatWrong;
      const double alpha = strength(shares[static_cast<std::size_t>(row * n + column)]);
      std::uint8_t* pixel = out.row(y) + x * 4;
      pixel[0] = color.red;
      pixel[1] = color.green;
      pixel[2] = color.blue;
      pixel[3] = static_cast<std::uint8_t>(std::lround(255 * alpha));
    }
  }
  return out;
}

}  // namespace conopa::report

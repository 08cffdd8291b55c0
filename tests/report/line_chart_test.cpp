#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/report/plot.h"
#include "tests/report/xml_check.h"

namespace conopa::report {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

PlotSeries ramp(const std::string& name, std::size_t count) {
  PlotSeries series{name, {}, {}, 0};
  for (std::size_t i = 0; i < count; ++i) {
    series.x.push_back(static_cast<double>(i));
    series.y.push_back(1.0 + static_cast<double>(i % 7));
  }
  return series;
}

LineChart chart_of(std::vector<PlotSeries> series) {
  LineChart chart;
  chart.title = "Loss";
  chart.series = std::move(series);
  return chart;
}

TEST(SmoothedTest, MatchesHandComputedAverages) {
  for (const double value : smoothed({4, 4, 4, 4}, 0.9)) EXPECT_NEAR(value, 4.0, 1e-12);
  // Forwards: 1, (0.25·1 + 0.5·3) / 0.75; backwards: (0.25·3 + 0.5·1) / 0.75, 3.
  const std::vector<double> out = smoothed({1, 3}, 0.5);
  EXPECT_NEAR(out[0], 0.5 * (1.0 + 1.25 / 0.75), 1e-12);
  EXPECT_NEAR(out[1], 0.5 * (1.75 / 0.75 + 3.0), 1e-12);
}

TEST(SmoothedTest, StraightLineDoesNotLag) {
  std::vector<double> line(201);
  for (std::size_t i = 0; i < line.size(); ++i) line[i] = static_cast<double>(i);
  EXPECT_NEAR(smoothed(line, 0.8)[100], 100.0, 1e-9);
}

TEST(SmoothedTest, NonFiniteValuesPassWithoutEffect) {
  const std::vector<double> out = smoothed({2, kNan, 2}, 0.9);
  EXPECT_TRUE(std::isnan(out[1]));
  EXPECT_NEAR(out[2], 2.0, 1e-12);
}

TEST(LineChartTest, IsBalancedAndEscapesNames) {
  const std::string svg = line_chart_svg(chart_of({ramp("a<b & \"c\"", 20), ramp("eval", 5)}));
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_NE(svg.find("a&lt;b &amp; &quot;c&quot;"), std::string::npos);
}

TEST(LineChartTest, FewPointsAreMarkedAndManySmoothed) {
  const std::string few = line_chart_svg(chart_of({ramp("train", 5)}));
  EXPECT_EQ(count_of(few, "<circle"), 5);
  EXPECT_EQ(count_of(few, "class=\"raw"), 0);
  const std::string many = line_chart_svg(chart_of({ramp("train", 500)}));
  EXPECT_EQ(count_of(many, "<circle"), 0);
  EXPECT_EQ(count_of(many, "class=\"raw"), 1);
}

TEST(LineChartTest, SchedulesAreNotSmoothed) {
  PlotSeries series = ramp("lr", 500);
  for (std::size_t i = 0; i < 500; ++i) series.y[i] = std::cos(static_cast<double>(i) / 160);
  EXPECT_EQ(count_of(line_chart_svg(chart_of({series})), "class=\"raw"), 0);
}

TEST(LineChartTest, RareOutliersDoNotFlattenNoisySeries) {
  PlotSeries series = ramp("speed", 500);
  series.y[250] = 5000;
  EXPECT_EQ(line_chart_svg(chart_of({series})).find(">5000</text>"), std::string::npos);
  EXPECT_EQ(markup_fault(line_chart_svg(chart_of({series}))), "");
}

TEST(LineChartTest, AxisShowsTheValueAskedFor) {
  LineChart chart = chart_of({{"speed", {0, 1}, {990, 1000}, 0}});
  EXPECT_EQ(count_of(line_chart_svg(chart), ">0</text>"), 1);  // on the x axis
  chart.include = 0.0;
  EXPECT_EQ(count_of(line_chart_svg(chart), ">0</text>"), 2);  // on both axes
}

TEST(LineChartTest, UnnamedSeriesHaveNoLegendAndTheTitleInTooltips) {
  const std::string svg = line_chart_svg(chart_of({ramp("", 2)}));
  EXPECT_EQ(count_of(svg, "start strong"), 0);
  EXPECT_NE(svg.find("\nLoss 2</title>"), std::string::npos);
}

TEST(LineChartTest, SizeStaysBoundedForLongRuns) {
  EXPECT_LT(line_chart_svg(chart_of({ramp("train", 200000)})).size(), 60000U);
}

TEST(LineChartTest, TooltipTellsStepAndValues) {
  const std::string svg = line_chart_svg(chart_of({ramp("train", 2), ramp("eval", 2)}));
  EXPECT_NE(svg.find("<title>step 1\ntrain 2\neval 2</title>"), std::string::npos);
}

TEST(LineChartTest, NonFiniteValuesLeaveGaps) {
  PlotSeries series = ramp("train", 5);
  series.y[2] = kNan;
  const std::string svg = line_chart_svg(chart_of({series}));
  EXPECT_EQ(count_of(svg, "<circle"), 4);
  const std::size_t path = svg.find("class=\"line s0\" d=\"");
  const std::string data = svg.substr(path, svg.find("/>", path) - path);
  EXPECT_EQ(count_of(data, "M"), 2);
  EXPECT_EQ(count_of(svg, "nan"), 1);
  EXPECT_NE(svg.find("\ntrain nan</title>"), std::string::npos);
}

TEST(LineChartTest, LogScaleLeavesOutValuesThatAreNotPositive) {
  PlotSeries series = ramp("train", 5);
  series.y = {0.001, 0.0, -1.0, 10.0, 100.0};
  LineChart chart = chart_of({series});
  chart.y_scale = AxisScale::kLog;
  const std::string svg = line_chart_svg(chart);
  EXPECT_EQ(count_of(svg, "<circle"), 3);
  EXPECT_EQ(markup_fault(svg), "");
}

constexpr XAxis kEveryAxis[] = {XAxis::kSteps, XAxis::kLinear, XAxis::kLog};

TEST(LineChartTest, DegenerateInputStillDraws) {
  PlotSeries one = ramp("one", 1);
  PlotSeries nothing = ramp("nothing", 0);
  PlotSeries infinite = ramp("infinite", 3);
  infinite.y.assign(3, std::numeric_limits<double>::infinity());
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLog}) {
    for (const PlotSeries& series : {one, nothing, infinite}) {
      for (const XAxis axis : kEveryAxis) {
        LineChart chart = chart_of({series});
        chart.y_scale = scale;
        chart.x_axis = axis;
        const std::string svg = line_chart_svg(chart);
        EXPECT_EQ(markup_fault(svg), "") << series.name;
        EXPECT_EQ(svg.find("=\"nan"), std::string::npos) << series.name;
      }
    }
  }
  EXPECT_EQ(markup_fault(line_chart_svg(chart_of({}))), "");
}

void expect_bounded_picture(const LineChart& chart) {
  const std::string svg = line_chart_svg(chart);
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_LT(svg.size(), 10000U);
  EXPECT_EQ(svg.find("=\"nan"), std::string::npos);
}

TEST(LineChartTest, ExtremeValuesStillDraw) {
  const double huge = std::numeric_limits<double>::max();
  const double tiny = std::numeric_limits<double>::denorm_min();
  const double step = 9223372036854775807.0;  // neighbours of this are 2048 apart
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLog}) {
    for (const std::vector<double>& y :
         {std::vector{-huge, huge}, {tiny, 2 * tiny}, {1.0, 1.0 + 1e-15}, {huge, tiny}}) {
      for (const std::vector<double>& x :
           {std::vector{step, step}, {-step, step}, {0.0, huge}, {5.0, 5.0}, {1e-100, 1e100}}) {
        for (const XAxis axis : kEveryAxis) {
          LineChart chart = chart_of({{"extreme", x, y, 0}});
          chart.y_scale = scale;
          chart.x_axis = axis;
          expect_bounded_picture(chart);
        }
      }
    }
  }
}

/// The x coordinates of the marked points, in order.
std::vector<double> marked_x(const std::string& svg) {
  std::vector<double> out;
  const std::string key = "cx=\"";
  for (std::size_t at = 0; (at = svg.find(key, at)) != std::string::npos;) {
    at += key.size();
    out.push_back(std::stod(svg.substr(at)));
  }
  return out;
}

TEST(LineChartTest, ChosenValuesAreLabelledThemselves) {
  LineChart chart = chart_of({{"top-1", {28, 42, 56, 84}, {0.9, 0.8, 0.7, 0.5}, 0}});
  chart.x_axis = XAxis::kLinear;
  const std::string svg = line_chart_svg(chart);
  for (const char* label : {">28</text>", ">42</text>", ">56</text>", ">84</text>"}) {
    EXPECT_EQ(count_of(svg, label), 1) << label;
  }
  EXPECT_EQ(count_of(svg, ">0</text>"), 0);  // unlike steps, sizes do not begin at 0
  const std::vector<double> x = marked_x(svg);
  ASSERT_EQ(x.size(), 4U);
  EXPECT_NEAR(x[3] - x[2], 2 * (x[1] - x[0]), 0.05);
  EXPECT_EQ(count_of(svg, "class=\"hover\""), 4);
}

TEST(LineChartTest, FractionsAreTold) {
  LineChart chart = chart_of({{"loss", {0.05, 0.1}, {1, 2}, 0}});
  chart.x_axis = XAxis::kLinear;
  chart.x_label = "weight decay";
  EXPECT_NE(line_chart_svg(chart).find("<title>weight decay 0.05\nloss 1</title>"),
            std::string::npos);
}

TEST(LineChartTest, LogAxisPlacesEqualRatiosEvenly) {
  LineChart chart = chart_of({{"loss", {1e-4, 1e-3, 1e-2}, {3, 1, 2}, 0}});
  chart.x_axis = XAxis::kLog;
  const std::string svg = line_chart_svg(chart);
  const std::vector<double> x = marked_x(svg);
  ASSERT_EQ(x.size(), 3U);
  EXPECT_NEAR(x[2] - x[1], x[1] - x[0], 0.05);
  EXPECT_EQ(count_of(svg, ">0.0001</text>"), 1);
}

TEST(LineChartTest, LogAxisLeavesOutValuesThatAreNotPositive) {
  LineChart chart = chart_of({{"loss", {-1, 0, 1, 10}, {1, 2, 3, 4}, 0}});
  chart.x_axis = XAxis::kLog;
  const std::string svg = line_chart_svg(chart);
  EXPECT_EQ(count_of(svg, "<circle"), 2);
  EXPECT_EQ(markup_fault(svg), "");
}

TEST(LineChartTest, ManyMeasuredValuesGetRoundTicksAndNoSmoothing) {
  PlotSeries series = ramp("noisy", 100);
  for (double& x : series.x) x = 0.001 * (x + 1);
  LineChart chart = chart_of({series});
  chart.x_axis = XAxis::kLinear;
  const std::string svg = line_chart_svg(chart);
  EXPECT_EQ(count_of(svg, ">0.02</text>"), 1);
  EXPECT_EQ(count_of(svg, ">0.013</text>"), 0);
  EXPECT_EQ(count_of(svg, "class=\"raw"), 0);
}

TEST(LineChartTest, ErrorBarsAreDrawnAndEnterTheAxis) {
  PlotSeries series{"seeds", {1, 2, 3}, {0.5, 0.5, 0.5}, 2};
  series.y_low = {0.1, 0.4, kNan};
  series.y_high = {0.9, 0.6, 0.6};
  LineChart chart = chart_of({series});
  chart.x_axis = XAxis::kLinear;
  const std::string svg = line_chart_svg(chart);
  const std::size_t path = svg.find("class=\"error s2\" d=\"");
  ASSERT_NE(path, std::string::npos);
  const std::string data = svg.substr(path, svg.find("/>", path) - path);
  EXPECT_EQ(count_of(data, "M"), 6);  // a bar and two caps, for two of the points
  EXPECT_NE(svg.find("seeds 0.5 (0.1 to 0.9)"), std::string::npos);
  EXPECT_NE(svg.find("seeds 0.5</title>"), std::string::npos);
  EXPECT_EQ(count_of(svg, ">0.8</text>"), 1);  // a tick that the line alone would not need
  series.y_low = series.y_high = {};
  EXPECT_EQ(count_of(line_chart_svg(chart_of({series})), "class=\"error"), 0);
}

TEST(LineChartTest, TheSecondSixColoursAreDashed) {
  PlotSeries solid = ramp("a", 3);
  PlotSeries dashed = ramp("b", 3);
  solid.color = 1;
  dashed.color = 7;
  const std::string svg = line_chart_svg(chart_of({solid, dashed}));
  EXPECT_EQ(count_of(svg, "class=\"line s1\""), 2);  // in the legend and in the picture
  EXPECT_EQ(count_of(svg, "class=\"line s1 dashed\""), 2);
}

TEST(LineChartTest, UnequalLengthsAreRefused) {
  PlotSeries series = ramp("train", 3);
  series.y.pop_back();
  EXPECT_THROW((void)line_chart_svg(chart_of({series})), ShapeError);
  series = ramp("train", 3);
  series.y_low = {1, 1, 1};  // and no upper ends
  EXPECT_THROW((void)line_chart_svg(chart_of({series})), ShapeError);
}

}  // namespace
}  // namespace conopa::report

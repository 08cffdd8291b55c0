#include "conopa/report/html.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "conopa/core/error.h"
#include "conopa/report/plot.h"
#include "tests/report/demo_report.h"
#include "tests/report/xml_check.h"

namespace conopa::report {
namespace {

const std::string& demo_html() {
  static const std::string html = render_report(demo_report());
  return html;
}

/// Stores a picture or page of the demo in the build folder, where people can look at it.
void keep(const std::string& name, const std::string& text) {
  const std::filesystem::path folder = std::filesystem::path(CONOPA_BINARY_DIR) / "demo-report";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary) << text;
}

TEST(HtmlReportTest, DemoIsBalancedAndComplete) {
  const std::string& html = demo_html();
  keep("report.html", html);
  EXPECT_EQ(markup_fault(html, true), "");
  for (const char* id : {"study-1", "curves", "evaluation", "samples", "reconstructions",
                         "configuration", "environment", "reproduce"}) {
    EXPECT_EQ(count_of(html, std::string("<section id=\"") + id + "\">"), 1) << id;
    EXPECT_EQ(count_of(html, std::string("href=\"#") + id + "\""), 1) << id;
  }
  // Charts: two of the study, loss, accuracy, lr, gradient norm, speed, confusion, reliability.
  EXPECT_EQ(count_of(html, "<svg class=\"chart\""), 9);
  EXPECT_EQ(count_of(html, "<figure class=\"sample"), 24);
  EXPECT_LT(html.size(), 400000U);
}

TEST(HtmlReportTest, LoadsNothingAndRunsNothing) {
  const std::string& html = demo_html();
  for (const char* outside :
       {"http:", "https:", "url(", "@import", "<script", "src=\"//", "onload"}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  EXPECT_EQ(count_of(html, "src=\""), count_of(html, "src=\"data:image/png;base64,"));
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
}

TEST(HtmlReportTest, IsTheSameEveryTime) { EXPECT_EQ(render_report(demo_report()), demo_html()); }

TEST(HtmlReportTest, EveryTextIsEscaped) {
  const std::string evil = "<script>alert('x')</script>&\"";
  RunReport report = demo_report();
  report.title = report.subtitle = report.evaluation_title = report.command = report.generator =
      evil;
  report.key_numbers = {{evil, evil, evil}};
  report.class_names.assign(10, evil);
  report.samples.resize(1);
  report.samples[0].name = report.samples[0].truth = evil;
  report.samples[0].top = {{"other" + evil, 0.5}, {evil, 0.2}};
  report.configuration = report.environment = {{evil, {{evil, evil}}}};
  report.series[0].split = report.series[0].name = evil;
  report.sections[0].title = report.sections[0].note = evil;
  report.sections[0].charts[0].title = report.sections[0].charts[0].x_label = evil;
  report.sections[0].charts[0].series[0].name = evil;
  report.sections[0].tables = {{evil, {evil, evil}, {{evil, evil}}}};
  report.reconstructions[0].name = evil;
  report.reconstructions[0].pictures[0].caption = evil;
  const std::string html = render_report(report);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(markup_fault(html, true), "");
}

TEST(HtmlReportTest, EmptyPartsAreLeftOut) {
  const std::string html = render_report({.title = "nothing yet"});
  EXPECT_EQ(markup_fault(html, true), "");
  EXPECT_EQ(count_of(html, "<section"), 0);
  EXPECT_EQ(count_of(html, "<nav"), 0);
}

TEST(HtmlReportTest, RightAndWrongSamplesAreMarked) {
  RunReport report;
  const image::Image picture(8, 8, 3);
  report.samples = {{picture, "a", "Coat", {{"Coat", 0.9}}},
                    {picture, "b", "Coat", {{"Bag", 0.9}, {"Coat", 0.1}}},
                    {picture, "c", "", {{"Bag", 0.9}}},
                    {picture, "d", "Coat", {}}};
  const std::string html = render_report(report);
  EXPECT_EQ(count_of(html, "class=\"sample right\""), 1);
  EXPECT_EQ(count_of(html, "class=\"sample wrong\""), 1);
  EXPECT_EQ(count_of(html, "class=\"sample\""), 2);
  EXPECT_EQ(count_of(html, "true: Coat"), 1);
  EXPECT_NE(html.find("1 of 2 right"), std::string::npos);
}

TEST(HtmlReportTest, ReconstructionsAreStripsWithHeadings) {
  RunReport report;
  for (const std::int64_t side : {8, 200}) {
    const image::Image picture(side, side, 3);
    report.reconstructions.push_back(
        {{{"input", picture}, {"prefix", picture}, {"one step", picture}, {"roll-out", picture}},
         "image " + std::to_string(side)});
  }
  const std::string html = render_report(report);
  EXPECT_EQ(markup_fault(html, true), "");
  EXPECT_EQ(count_of(html, "<figure class=\"strip\">"), 2);
  for (const char* heading : {"input", "prefix", "one step", "roll-out"}) {
    EXPECT_EQ(count_of(html, std::string("<dt>") + heading + "</dt>"), 2) << heading;
    EXPECT_EQ(count_of(html, std::string("alt=\"image 8, ") + heading + "\""), 1) << heading;
  }
  EXPECT_EQ(count_of(html, "src=\"data:image/png;base64,"), 8);
  EXPECT_EQ(count_of(html, "<img class=\"picture pixels\""), 4);  // only the small ones
  EXPECT_EQ(count_of(html, "href=\"#reconstructions\""), 1);
}

TEST(HtmlReportTest, TablesAlignNumbersAndNameRows) {
  RunReport report;
  report.sections = {
      {.title = "Ablation",
       .note = "three seeds",
       .charts = {},
       .tables = {{.title = "norms",
                   .header = {"norm", "top-1", "remark", "spread"},
                   .rows = {{"rms", "91.2 %", "", "–"}, {"layer", "91.0 %", "slower", "0.2"}}}}}};
  const std::string html = render_report(report);
  EXPECT_EQ(markup_fault(html, true), "");
  EXPECT_EQ(count_of(html, "<a href=\"#study-1\">Ablation</a>"), 1);
  EXPECT_EQ(count_of(html, "<th scope=\"row\">rms</th>"), 1);
  EXPECT_EQ(count_of(html, "<th class=\"number\">top-1</th>"), 1);
  EXPECT_EQ(count_of(html, "<th class=\"number\">spread</th>"), 1);
  EXPECT_EQ(count_of(html, "<th>remark</th>"), 1);
  EXPECT_EQ(count_of(html, "<td>slower</td>"), 1);
  report.sections[0].tables[0].rows[0].pop_back();
  EXPECT_THROW((void)render_report(report), ShapeError);
}

TEST(HtmlReportTest, SectionsWithoutContentAreLeftOut) {
  RunReport report;
  report.sections = {{.title = "empty"}, {.title = "charts", .charts = {LineChart{}}}};
  const std::string html = render_report(report);
  EXPECT_EQ(count_of(html, "<section"), 1);
  EXPECT_EQ(count_of(html, "id=\"study-2\""), 1);
}

TEST(HtmlReportTest, SectionsShowTextAndWarningsAboveTheirContent) {
  RunReport report;
  report.sections = {{.title = "Runs",
                      .charts = {LineChart{}},
                      .text = "Bars are <ends>.",
                      .warnings = {"one & two", "three"}}};
  const std::string html = render_report(report);
  EXPECT_EQ(markup_fault(html, true), "");
  const std::size_t text = html.find("<p class=\"text\">Bars are &lt;ends&gt;.</p>");
  const std::size_t warning = html.find("<p class=\"warning\">one &amp; two</p>");
  ASSERT_NE(text, std::string::npos);
  ASSERT_NE(warning, std::string::npos);
  EXPECT_LT(text, warning);
  EXPECT_LT(warning, html.find("<svg"));
  EXPECT_EQ(count_of(html, "class=\"warning\""), 2);
}

TEST(HtmlReportTest, ManyClassesGetAHeatMapAndTheWeakestList) {
  RunReport report{.title = "many classes"};
  report.evaluation = demo_result(200, 4000);
  report.evaluation->non_finite = 3;
  const std::string html = render_report(report);
  keep("many-classes.html", html);
  EXPECT_EQ(markup_fault(html, true), "");
  EXPECT_EQ(count_of(html, "<img class=\"heat pixels\""), 1);
  EXPECT_NE(html.find("Per class: the 20 weakest"), std::string::npos);
  EXPECT_NE(html.find("All 200 classes"), std::string::npos);
  EXPECT_NE(html.find("3 of 4,000 images gave NaN"), std::string::npos);
}

TEST(HtmlReportTest, StandalonePicturesAreBalanced) {
  const RunReport report = demo_report();
  const std::string confusion =
      confusion_svg(*report.evaluation, report.class_names, SvgUse::kStandalone);
  const std::string reliability =
      reliability_svg(report.evaluation->calibration, SvgUse::kStandalone);
  keep("confusion.svg", confusion);
  keep("reliability.svg", reliability);
  EXPECT_EQ(markup_fault(confusion), "");
  EXPECT_EQ(markup_fault(reliability), "");
}

TEST(KeyNumbersTest, TopKIsLeftOutWhenItSaysNothing) {
  EXPECT_EQ(key_numbers(demo_result(10, 100)).size(), 4U);
  EXPECT_EQ(key_numbers(demo_result(5, 100)).size(), 3U);
}

}  // namespace
}  // namespace conopa::report

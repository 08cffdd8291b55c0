#include "conopa/report/svg.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/report/xml_check.h"

namespace conopa::report {
namespace {

TEST(MarkupCheckTest, FindsFaults) {
  EXPECT_EQ(markup_fault("<a x=\"1>2\"><b/>&amp;</a>"), "");
  EXPECT_NE(markup_fault("<a><b></a></b>"), "");
  EXPECT_NE(markup_fault("<a>"), "");
  EXPECT_NE(markup_fault("<a x=1/>"), "");
  EXPECT_NE(markup_fault("<a>x & y</a>"), "");
  EXPECT_NE(markup_fault("<a x=\"1/>"), "");
}

TEST(EscapeXmlTest, EscapesMarkup) {
  EXPECT_EQ(escape_xml(R"(<a href="x">T&M's</a>)"),
            "&lt;a href=&quot;x&quot;&gt;T&amp;M&#39;s&lt;/a&gt;");
}

TEST(EscapeXmlTest, KeepsUnicode) { EXPECT_EQ(escape_xml("é → 猫 🦙"), "é → 猫 🦙"); }

TEST(EscapeXmlTest, ReplacesWhatXmlForbids) {
  const std::string replacement = "\xEF\xBF\xBD";
  EXPECT_EQ(escape_xml(std::string("a\0b", 3)), "a" + replacement + "b");
  EXPECT_EQ(escape_xml("\x1b[31m"), replacement + "[31m");
  EXPECT_EQ(escape_xml("\xff"), replacement);
  EXPECT_EQ(escape_xml("\xC3"), replacement);                                      // cut off
  EXPECT_EQ(escape_xml("\xC0\xAF"), replacement + replacement);                    // overlong '/'
  EXPECT_EQ(escape_xml("\xED\xA0\x80"), replacement + replacement + replacement);  // surrogate
  EXPECT_EQ(escape_xml("\n\t"), "\n\t");
}

TEST(SvgNumberTest, IsShortAndAlwaysFinite) {
  EXPECT_EQ(svg_number(12.0), "12");
  EXPECT_EQ(svg_number(0.126), "0.13");
  EXPECT_EQ(svg_number(100.0), "100");
  EXPECT_EQ(svg_number(-0.001), "0");
  EXPECT_EQ(svg_number(std::numeric_limits<double>::quiet_NaN()), "0");
  EXPECT_EQ(svg_number(std::numeric_limits<double>::infinity()), "0");
}

TEST(FitTextTest, ShortensLongTextOnly) {
  EXPECT_EQ(fit_text("Coat", 11, 100), "Coat");
  const std::string cut = fit_text("a very long class name that does not fit", 11, 80);
  EXPECT_LE(text_width(cut, 11), 80.0);
  EXPECT_EQ(cut.substr(cut.size() - 3), "…");
}

TEST(SvgBuilderTest, StandalonePictureHasMarginAndTitle) {
  const std::string titled = SvgBuilder(100, 50, "a & b").finish(SvgUse::kStandalone);
  EXPECT_NE(titled.find("width=\"128\" height=\"106\" viewBox=\"-14 -42 128 106\""),
            std::string::npos);
  EXPECT_NE(titled.find(">a &amp; b</text>"), std::string::npos);
  const std::string plain = SvgBuilder(100, 50, "").finish(SvgUse::kStandalone);
  EXPECT_NE(plain.find("viewBox=\"-14 -14 128 78\""), std::string::npos);
  EXPECT_EQ(plain.find("<text"), std::string::npos);
}

TEST(SvgBuilderTest, StandalonePictureBringsStyleAndNamespace) {
  SvgBuilder svg(100, 50, "a <label>");
  svg.rect(1, 2, 3, 4, "fill s0", "5 & 6");
  svg.text(1, 2, "x < y", "start", -45);
  const std::string alone = svg.finish(SvgUse::kStandalone);
  EXPECT_EQ(markup_fault(alone), "");
  EXPECT_NE(alone.find("xmlns="), std::string::npos);
  EXPECT_NE(alone.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_EQ(alone.find("var("), std::string::npos) << "many viewers know no custom properties";
  EXPECT_EQ(alone.find("fill:;"), std::string::npos) << "a colour is missing in the table";
  EXPECT_EQ(alone.find("stroke:}"), std::string::npos);
  const std::string embedded = svg.finish(SvgUse::kEmbedded);
  EXPECT_EQ(markup_fault(embedded), "");
  EXPECT_EQ(embedded.find("<style>"), std::string::npos);
}

TEST(PathDataTest, LiftStartsANewStroke) {
  PathData path;
  path.point(0, 0);
  path.point(1, 2.5);
  path.lift();
  path.point(3, 3);
  EXPECT_EQ(path.str(), "M0 0L1 2.5M3 3");
}

}  // namespace
}  // namespace conopa::report

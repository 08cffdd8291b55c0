#include "report/theme.h"

#include <fmt/format.h>

namespace conopa::report {
namespace {

/// A named colour on light and dark ground. The six series colours differ in lightness too, so
/// that they stay apart for colour-blind readers.
struct ThemeColor {
  std::string_view name, light, dark;
};

constexpr ThemeColor kColors[] = {
    {"ground", "#f6f7f9", "#12161c"},  // page
    {"panel", "#ffffff", "#191f27"},   // boxes on the page
    {"ink", "#1d2630", "#e3e8ee"},     // text
    {"soft", "#5d6b7a", "#a3afbd"},    // secondary text
    {"faint", "#8b97a5", "#788594"},   // remarks
    {"edge", "#e2e6eb", "#2a323d"},    // borders
    {"grid", "#e9ecf0", "#262e38"},    // grid lines
    {"track", "#eceff3", "#262e38"},   // empty part of bars
    {"s0", "#3a6ea5", "#79ade2"},      // series: blue
    {"s1", "#c9662f", "#e79763"},      // orange
    {"s2", "#3f8a66", "#7cc29d"},      // green
    {"s3", "#7a62a8", "#b6a1e2"},      // violet
    {"s4", "#a8842a", "#d6b75f"},      // ochre
    {"s5", "#2f8794", "#6fc3cd"},      // teal
    {"right", "#2f7d57", "#7cc29d"},
    {"wrong", "#b9472f", "#ee8f77"},
    {"wrong-ground", "#fbeae5", "#3a231e"},
    {"on-heat", "#ffffff", "#0e1319"},  // text on strong colour
};

/// The custom properties of one side of the table.
std::string properties(std::string_view ThemeColor::*side) {
  std::string out;
  for (const ThemeColor& color : kColors) out += fmt::format("--{}:{};", color.name, color.*side);
  return out;
}

/// The style sheet with every `var(--name)` replaced by the colour itself.
std::string resolved(std::string_view css, std::string_view ThemeColor::*side) {
  constexpr std::string_view kOpen = "var(--";
  std::string out;
  for (std::size_t at = 0; (at = css.find(kOpen)) != std::string_view::npos;) {
    out += css.substr(0, at);
    css.remove_prefix(at + kOpen.size());
    const std::size_t end = css.find(')');
    for (const ThemeColor& color : kColors) {
      if (color.name == css.substr(0, end)) out += color.*side;
    }
    css.remove_prefix(end + 1);
  }
  return out += css;
}

}  // namespace

std::string theme_css() {
  return fmt::format(
      "\n:root{{color-scheme:light dark;{0}}}\n"
      "@media (prefers-color-scheme:dark){{:root{{{1}}}}}\n"
      "@media "
      "print{{:root{{color-scheme:light;{0}--ground:#ffffff;--ink:#000000;--soft:#444444}}}}\n",
      properties(&ThemeColor::light), properties(&ThemeColor::dark));
}

std::string standalone_css() {
  return fmt::format("{}@media (prefers-color-scheme:dark){{{}}}\n",
                     resolved(chart_css(), &ThemeColor::light),
                     resolved(chart_css(), &ThemeColor::dark));
}

std::string_view chart_css() {
  return R"css(
.chart{font:11px/1.2 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.chart text{fill:var(--soft);font-variant-numeric:tabular-nums}
.chart .ground{fill:var(--panel)}
.chart .strong{fill:var(--ink)}
.chart .heading{fill:var(--ink);font-size:14px;font-weight:600}
.chart .axis-name{fill:var(--faint)}
.chart .start{text-anchor:start}
.chart .middle{text-anchor:middle}
.chart .end{text-anchor:end}
.chart .grid{stroke:var(--grid);stroke-width:1}
.chart .axis{stroke:var(--edge);stroke-width:1}
.chart .diagonal{stroke:var(--ink);stroke-opacity:.55;stroke-width:1;stroke-dasharray:4 4}
.chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.chart .dashed{stroke-dasharray:5 4}
.chart .raw{fill:none;stroke-width:1;stroke-opacity:.28;stroke-linejoin:round}
.chart .error{fill:none;stroke-width:1.3;stroke-opacity:.6}
.chart .hover{fill:var(--ink);fill-opacity:0}
.chart .hover:hover{fill-opacity:.06}
.chart .track{fill:var(--track)}
.chart .line.s0,.chart .raw.s0,.chart .error.s0{stroke:var(--s0)}
.chart .line.s1,.chart .raw.s1,.chart .error.s1{stroke:var(--s1)}
.chart .line.s2,.chart .raw.s2,.chart .error.s2{stroke:var(--s2)}
.chart .line.s3,.chart .raw.s3,.chart .error.s3{stroke:var(--s3)}
.chart .line.s4,.chart .raw.s4,.chart .error.s4{stroke:var(--s4)}
.chart .line.s5,.chart .raw.s5,.chart .error.s5{stroke:var(--s5)}
.chart .fill.s0,.chart .dot.s0{fill:var(--s0)}
.chart .fill.s1,.chart .dot.s1{fill:var(--s1)}
.chart .fill.s2,.chart .dot.s2{fill:var(--s2)}
.chart .fill.s3,.chart .dot.s3{fill:var(--s3)}
.chart .fill.s4,.chart .dot.s4{fill:var(--s4)}
.chart .fill.s5,.chart .dot.s5{fill:var(--s5)}
.chart .gap{fill:var(--s1);fill-opacity:.32}
.chart .cell{stroke:var(--panel);stroke-width:1}
.chart text.count{fill:var(--ink);font-size:10.5px}
.chart text.count.on-heat{fill:var(--on-heat)}
)css";
}

}  // namespace conopa::report

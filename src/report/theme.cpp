#include "report/theme.h"

namespace conopa::report {

std::string_view theme_css() {
  return R"css(
:root{color-scheme:light dark;
--ground:#f6f7f9;--panel:#ffffff;--ink:#1d2630;--soft:#5d6b7a;--faint:#8b97a5;
--edge:#e2e6eb;--grid:#e9ecf0;--track:#eceff3;
--s0:#3a6ea5;--s1:#c9662f;--s2:#3f8a66;--s3:#7a62a8;--s4:#a8842a;--s5:#2f8794;
--right:#2f7d57;--wrong:#b9472f;--right-ground:#e7f3ec;--wrong-ground:#fbeae5;--on-heat:#ffffff}
@media (prefers-color-scheme:dark){:root{
--ground:#12161c;--panel:#191f27;--ink:#e3e8ee;--soft:#a3afbd;--faint:#788594;
--edge:#2a323d;--grid:#262e38;--track:#262e38;
--s0:#79ade2;--s1:#e79763;--s2:#7cc29d;--s3:#b6a1e2;--s4:#d6b75f;--s5:#6fc3cd;
--right:#7cc29d;--wrong:#ee8f77;--right-ground:#1c3027;--wrong-ground:#3a231e;--on-heat:#0e1319}}
@media print{:root{color-scheme:light;
--ground:#ffffff;--panel:#ffffff;--ink:#000000;--soft:#444444;--faint:#666666;
--edge:#cccccc;--grid:#dddddd;--track:#eeeeee;
--s0:#3a6ea5;--s1:#c9662f;--s2:#3f8a66;--s3:#7a62a8;--s4:#a8842a;--s5:#2f8794;
--right:#2f7d57;--wrong:#b9472f;--right-ground:#e7f3ec;--wrong-ground:#fbeae5;--on-heat:#ffffff}}
)css";
}

std::string_view chart_css() {
  return R"css(
.chart{font:11px/1.2 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.chart text{fill:var(--soft);font-variant-numeric:tabular-nums}
.chart .ground{fill:var(--panel)}
.chart .strong{fill:var(--ink)}
.chart .axis-name{fill:var(--faint)}
.chart .start{text-anchor:start}
.chart .middle{text-anchor:middle}
.chart .end{text-anchor:end}
.chart .grid{stroke:var(--grid);stroke-width:1}
.chart .axis{stroke:var(--edge);stroke-width:1}
.chart .diagonal{stroke:var(--faint);stroke-width:1;stroke-dasharray:4 4}
.chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.chart .raw{fill:none;stroke-width:1;stroke-opacity:.28;stroke-linejoin:round}
.chart .hover{fill:var(--ink);fill-opacity:0}
.chart .hover:hover{fill-opacity:.06}
.chart .track{fill:var(--track)}
.chart .line.s0,.chart .raw.s0{stroke:var(--s0)}
.chart .line.s1,.chart .raw.s1{stroke:var(--s1)}
.chart .line.s2,.chart .raw.s2{stroke:var(--s2)}
.chart .line.s3,.chart .raw.s3{stroke:var(--s3)}
.chart .line.s4,.chart .raw.s4{stroke:var(--s4)}
.chart .line.s5,.chart .raw.s5{stroke:var(--s5)}
.chart .fill.s0,.chart .dot.s0{fill:var(--s0)}
.chart .fill.s1,.chart .dot.s1{fill:var(--s1)}
.chart .fill.s2,.chart .dot.s2{fill:var(--s2)}
.chart .fill.s3,.chart .dot.s3{fill:var(--s3)}
.chart .fill.s4,.chart .dot.s4{fill:var(--s4)}
.chart .fill.s5,.chart .dot.s5{fill:var(--s5)}
.chart .gap{fill:var(--s1);fill-opacity:.22;stroke:var(--s1);stroke-opacity:.7;stroke-width:1}
.chart .cell{stroke:var(--panel);stroke-width:1}
.chart text.count{fill:var(--ink);font-size:10.5px}
.chart text.count.on-heat{fill:var(--on-heat)}
)css";
}

}  // namespace conopa::report

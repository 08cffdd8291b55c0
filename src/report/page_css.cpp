#include "report/theme.h"

namespace conopa::report {

std::string_view page_css() {
  return R"css(
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1152px;margin:0 auto;padding:40px 16px 56px}
h1{margin:0;font-size:28px;line-height:1.2;font-weight:650;letter-spacing:-.01em;
overflow-wrap:anywhere}
h2{margin:44px 0 14px;font-size:19px;font-weight:650}
h2 small{margin-left:8px;font-size:14px;font-weight:400;color:var(--soft)}
h3{margin:0 0 10px;font-size:14px;font-weight:600}
.subtitle{margin:6px 0 0;color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:4px 20px;margin-top:22px;font-size:14px}
nav a{color:var(--s0);text-decoration:none}
nav a:hover{text-decoration:underline}
dl,dd,dt,p,ul,figure{margin:0;padding:0}
.keys{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:16px;margin-top:26px}
.keys>div{padding:14px 16px;background:var(--panel);border:1px solid var(--edge);border-radius:10px}
.keys dt{font-size:13px;color:var(--soft)}
.keys dd{font-size:25px;line-height:1.3;font-weight:600;letter-spacing:-.01em;
font-variant-numeric:tabular-nums}
.keys dd.note{font-size:12.5px;line-height:1.4;font-weight:400;letter-spacing:0;color:var(--faint)}
.figures{display:flex;flex-wrap:wrap;gap:8px 30px;margin-bottom:16px;font-size:14px}
.figures>div{display:flex;gap:7px}
.figures dt{color:var(--soft)}
.figures dd{font-weight:600;font-variant-numeric:tabular-nums}
.text{max-width:80ch;margin-bottom:16px;font-size:14px;color:var(--soft)}
.warning{margin-bottom:16px;padding:9px 14px;border-radius:8px;background:var(--wrong-ground);
color:var(--wrong);font-size:14px}
.columns{display:grid;grid-template-columns:repeat(12,minmax(0,1fr));gap:16px;align-items:stretch}
.panel{grid-column:span 12;padding:16px;background:var(--panel);border:1px solid var(--edge);
border-radius:10px;min-width:0}
.half{grid-column:span 6}
.third{grid-column:span 4}
.wide{grid-column:span 7}
.narrow{grid-column:span 5}
.chart{display:block;width:100%;height:auto}
.scroll{overflow-x:auto}
.matrix{min-width:440px;max-width:600px;margin:0 auto}
.heat{display:block;width:100%;max-width:560px;height:auto;margin:0 auto;border:1px solid var(--edge)}
.caption{margin-top:10px;font-size:13px;color:var(--soft);text-align:center}
.pixels{image-rendering:pixelated}
table{width:100%;border-collapse:collapse;font-size:13.5px}
th,td{padding:5px 10px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
th:last-child,td:last-child{padding-right:0}
tbody tr:last-child>*{border-bottom:0}
thead th{font-weight:500;color:var(--soft)}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{width:34%;min-width:118px}
.meter{display:block;height:6px;border-radius:3px;background:var(--track);overflow:hidden}
.meter i{display:block;height:100%;border-radius:3px}
.bar .meter{float:left;width:calc(100% - 66px);margin-top:8px}
.values th{width:42%;font-weight:400;color:var(--soft);overflow-wrap:anywhere}
.values td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
details{margin-top:12px}
summary{cursor:pointer;font-size:13.5px;color:var(--s0)}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:16px}
.sample{background:var(--panel);border:1px solid var(--edge);border-radius:10px;overflow:hidden;
break-inside:avoid}
.picture{display:block;width:100%;height:auto;aspect-ratio:1;object-fit:contain;
background:var(--track)}
.sample figcaption{padding:10px 12px 12px}
.verdict{font-size:14px;font-weight:600;line-height:1.35;overflow-wrap:anywhere}
.truth{font-size:12.5px;line-height:1.4;color:var(--soft);overflow-wrap:anywhere}
.right .mark{color:var(--right)}
.wrong .mark,.wrong .truth{color:var(--wrong)}
.wrong{border-color:var(--wrong)}
.top{list-style:none;margin-top:8px;font-size:12px;color:var(--soft)}
.top li{display:grid;grid-template-columns:1fr auto;gap:1px 8px;margin-top:4px}
.top .name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.top .share{font-variant-numeric:tabular-nums}
.top .meter{grid-column:1/-1;height:4px}
.strips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));gap:16px}
.strip{padding:12px;background:var(--panel);border:1px solid var(--edge);border-radius:10px;
break-inside:avoid}
.strip dl{display:grid;grid-auto-flow:column;grid-auto-columns:minmax(0,1fr);gap:10px}
.strip dt{margin-bottom:5px;font-size:12.5px;color:var(--soft)}
.strip .picture{border-radius:4px}
.strip figcaption{margin-top:9px;font-size:12.5px;line-height:1.4;color:var(--faint);
overflow-wrap:anywhere}
.cells td,.cells th{vertical-align:baseline}
.cells th[scope=row]{font-weight:500}
.cells .number+:not(.number){padding-left:20px}
.single .chart{max-width:560px;margin:0 auto}
pre{margin:0;padding:14px 16px;background:var(--panel);border:1px solid var(--edge);
border-radius:10px;font:13px/1.55 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
white-space:pre-wrap;overflow-wrap:anywhere}
footer{margin-top:44px;font-size:13px;color:var(--faint)}
@media (max-width:860px){
.half,.wide,.narrow{grid-column:span 12}
.third{grid-column:span 6}}
@media (max-width:600px){
main{padding:24px 12px 40px}
h1{font-size:23px}
h2{margin-top:34px}
.third{grid-column:span 12}
.panel{padding:14px 12px}
.keys{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}
.keys dd{font-size:21px}
.samples{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}
.keys>div:last-child:nth-child(odd){grid-column:span 2}
.bar{width:auto;min-width:0}
.bar .meter{display:none}
.half .chart,.single .chart{font-size:12.5px}
.cells .number+:not(.number){padding-left:0}}
@media print{
main{max-width:none;padding:0}
nav{display:none}
section,.panel{break-inside:auto}
.panel,.sample,.strip,.keys>div{break-inside:avoid}
.matrix{min-width:0}
.scroll{overflow:visible}
.bar{width:auto;min-width:0}
.bar .meter{display:none}}
)css";
}

}  // namespace conopa::report

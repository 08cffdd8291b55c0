#include <fmt/format.h>

#include "conopa/report/plot.h"
#include "conopa/report/svg.h"
#include "conopa/report/table.h"
#include "report/html_parts.h"

namespace conopa::report {
namespace {

std::string table_html(const TextTable& table) {
  const std::vector<bool> numeric = numeric_columns(table);
  const auto mark = [&numeric](std::size_t i) { return numeric[i] ? " class=\"number\"" : ""; };
  std::string out = "<div class=\"scroll\"><table class=\"cells\"><thead><tr>";
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    out += fmt::format("<th{}>{}</th>", mark(i), escape_xml(table.header[i]));
  }
  out += "</tr></thead><tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += i == 0 ? fmt::format("<th scope=\"row\">{}</th>", escape_xml(row[i]))
                    : fmt::format("<td{}>{}</td>", mark(i), escape_xml(row[i]));
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string section_body(const ReportSection& section) {
  std::string panels;
  std::string head;
  if (!section.text.empty()) {
    head = fmt::format("<p class=\"text\">{}</p>\n", escape_xml(section.text));
  }
  for (const std::string& warning : section.warnings) {
    head += fmt::format("<p class=\"warning\">{}</p>\n", escape_xml(warning));
  }
  const bool alone = section.charts.size() == 1;
  for (const LineChart& chart : section.charts) {
    panels += panel_html(alone ? "single" : "half", chart.title, line_chart_svg(chart));
  }
  for (const TextTable& table : section.tables) {
    if (!table.rows.empty()) panels += panel_html("", table.title, table_html(table));
  }
  return panels.empty() ? "" : head + "<div class=\"columns\">\n" + panels + "</div>\n";
}

}  // namespace

std::string section_id(std::size_t index) { return fmt::format("study-{}", index + 1); }

std::string sections_html(const RunReport& report) {
  std::string out;
  for (std::size_t i = 0; i < report.sections.size(); ++i) {
    const ReportSection& section = report.sections[i];
    const std::string body = section_body(section);
    if (!body.empty()) out += section_html(section_id(i), section.title, section.note, body);
  }
  return out;
}

}  // namespace conopa::report

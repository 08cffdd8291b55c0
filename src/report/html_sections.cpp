#include <fmt/format.h>

#include "conopa/report/plot.h"
#include "conopa/report/svg.h"
#include "conopa/report/table.h"
#include "report/html_parts.h"

namespace conopa::report {
namespace {

/// Which columns hold numbers only ("–" and nothing may stand for a missing one).
std::vector<bool> numeric_columns(const TextTable& table) {
  std::vector<bool> out(table.header.size(), true);
  for (std::size_t i = 0; i < out.size(); ++i) {
    bool any = false;
    for (const std::vector<std::string>& row : table.rows) {
      if (row[i].empty() || row[i] == "–" || row[i] == "-") continue;
      any = true;
      out[i] = out[i] && is_numeric_cell(row[i]);
    }
    out[i] = out[i] && any && i > 0;  // the first column names the row
  }
  return out;
}

std::string table_html(const TextTable& table) {
  table.validate();
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
  const bool alone = section.charts.size() == 1;
  for (const LineChart& chart : section.charts) {
    panels += panel_html(alone ? "single" : "half", chart.title, line_chart_svg(chart));
  }
  for (const TextTable& table : section.tables) {
    if (!table.rows.empty()) panels += panel_html("", table.title, table_html(table));
  }
  return panels.empty() ? "" : "<div class=\"columns\">\n" + panels + "</div>\n";
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

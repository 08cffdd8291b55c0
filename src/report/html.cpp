#include "conopa/report/html.h"

#include <fmt/format.h>

#include <algorithm>

#include "conopa/image/codec.h"
#include "conopa/report/svg.h"
#include "report/axis.h"
#include "report/base64.h"
#include "report/html_parts.h"
#include "report/theme.h"

namespace conopa::report {
namespace {

std::string key_numbers_html(const std::vector<KeyNumber>& numbers) {
  if (numbers.empty()) return "";
  std::string out = "<dl class=\"keys\">\n";
  for (const KeyNumber& number : numbers) {
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd>", escape_xml(number.label),
                       escape_xml(number.value));
    if (!number.note.empty())
      out += fmt::format("<dd class=\"note\">{}</dd>", escape_xml(number.note));
    out += "</div>\n";
  }
  return out + "</dl>\n";
}

std::string table_html(const KeyValueTable& table) {
  std::string rows;
  for (const auto& [name, value] : table.rows) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape_xml(name),
                        escape_xml(value));
  }
  return panel_html("third", table.title,
                    fmt::format("<table class=\"values\"><tbody>\n{}</tbody></table>\n", rows));
}

std::string tables_html(std::string_view id, std::string_view title,
                        const std::vector<KeyValueTable>& tables) {
  std::string body;
  for (const KeyValueTable& table : tables) {
    if (!table.rows.empty()) body += table_html(table);
  }
  return body.empty()
             ? ""
             : section_html(id, title, "", "<div class=\"columns\">\n" + body + "</div>\n");
}

std::string command_html(const std::string& command) {
  if (command.empty()) return "";
  return section_html("reproduce", "How to reproduce", "",
                      fmt::format("<pre><code>{}</code></pre>\n", escape_xml(command)));
}

/// Links to the sections that exist.
std::string navigation_html(const RunReport& report, std::string_view body) {
  std::vector<std::pair<std::string, std::string>> sections;
  for (std::size_t i = 0; i < report.sections.size(); ++i) {
    sections.emplace_back(section_id(i), report.sections[i].title);
  }
  sections.insert(sections.end(), {{"curves", "Curves"},
                                   {"evaluation", "Evaluation"},
                                   {"samples", "Samples"},
                                   {"reconstructions", "Reconstructions"},
                                   {"configuration", "Configuration"},
                                   {"environment", "Environment"},
                                   {"reproduce", "Reproduce"}});
  std::string links;
  for (const auto& [id, name] : sections) {
    if (body.find(fmt::format("<section id=\"{}\">", id)) == std::string_view::npos) continue;
    links += fmt::format("<a href=\"#{}\">{}</a>\n", id, escape_xml(name));
  }
  return links.empty() ? "" : "<nav>\n" + links + "</nav>\n";
}

}  // namespace

std::string section_html(std::string_view id, std::string_view title, std::string_view note,
                         std::string_view body) {
  std::string small;
  if (!note.empty()) small = fmt::format(" <small>{}</small>", escape_xml(note));
  return fmt::format("<section id=\"{}\">\n<h2>{}{}</h2>\n{}</section>\n", id, escape_xml(title),
                     small, body);
}

std::string panel_html(std::string_view classes, std::string_view title, std::string_view body) {
  std::string heading;
  if (!title.empty()) heading = fmt::format("<h3>{}</h3>\n", escape_xml(title));
  return fmt::format("<div class=\"panel {}\">\n{}{}</div>\n", classes, heading, body);
}

std::string image_html(const image::Image& image, std::string_view alternative,
                       std::string_view classes) {
  return fmt::format(
      "<img class=\"{}\" alt=\"{}\" width=\"{}\" height=\"{}\" "
      "src=\"data:image/png;base64,{}\">",
      classes, escape_xml(alternative), image.width, image.height,
      base64(image::encode_png(image)));
}

std::string picture_html(const image::Image& image, std::string_view alternative) {
  const bool small = std::max(image.width, image.height) < kSmallImage;
  return image_html(image, alternative, small ? "picture pixels" : "picture");
}

std::string bar_cell_html(double share, std::string_view text, std::string_view color) {
  return fmt::format(
      "<td class=\"number bar\"><span class=\"meter\"><i style=\"width:{}%;"
      "background:var(--{})\"></i></span>{}</td>",
      svg_number(100 * std::clamp(share, 0.0, 1.0)), color, escape_xml(text));
}

std::vector<KeyNumber> key_numbers(const eval::ClassificationResult& result) {
  std::vector<KeyNumber> out;
  out.push_back({"Top-1 accuracy", format_value(result.top1, ValueFormat::kPercent),
                 format_count(result.samples) + " images"});
  if (result.num_classes > result.top_k) {
    out.push_back({fmt::format("Top-{} accuracy", result.top_k),
                   format_value(result.top5, ValueFormat::kPercent),
                   fmt::format("of {} classes", format_count(result.num_classes))});
  }
  out.push_back({"Loss", fmt::format("{:.4f}", result.loss), "cross entropy, nats"});
  out.push_back({"Calibration error", format_value(result.calibration.ece, ValueFormat::kPercent),
                 fmt::format("ECE, {} bins", result.calibration.bins.size())});
  return out;
}

std::string render_report(const RunReport& report) {
  const std::string body = sections_html(report) + curves_html(report) + evaluation_html(report) +
                           samples_html(report) + reconstructions_html(report) +
                           tables_html("configuration", "Configuration", report.configuration) +
                           tables_html("environment", "Environment", report.environment) +
                           command_html(report.command);
  const std::string title = escape_xml(report.title);
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; img-src data:\">\n"
      "<title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{}{}{}</style>\n"
      "</head>\n<body>\n<main>\n<header>\n<h1>{}</h1>\n",
      title, theme_css(), chart_css(), page_css(), title);
  if (!report.subtitle.empty()) {
    out += fmt::format("<p class=\"subtitle\">{}</p>\n", escape_xml(report.subtitle));
  }
  out +=
      key_numbers_html(report.key_numbers) + navigation_html(report, body) + "</header>\n" + body;
  if (!report.generator.empty()) {
    out += fmt::format("<footer>Written by {}</footer>\n", escape_xml(report.generator));
  }
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace conopa::report

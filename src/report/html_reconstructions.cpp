#include <fmt/format.h>

#include "conopa/report/svg.h"
#include "report/html_parts.h"

namespace conopa::report {
namespace {

std::string picture(const ReconstructionSample& sample, const CaptionedImage& item) {
  const std::string caption = escape_xml(item.caption);
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", caption,
                     picture_html(item.image, fmt::format("{}, {}", sample.name, item.caption)));
}

std::string sample_html(const ReconstructionSample& sample) {
  std::string out = "<figure class=\"strip\">\n<dl>\n";
  for (const CaptionedImage& item : sample.pictures) out += picture(sample, item);
  out += "</dl>\n";
  if (!sample.name.empty()) {
    out += fmt::format("<figcaption>{}</figcaption>\n", escape_xml(sample.name));
  }
  return out + "</figure>\n";
}

}  // namespace

std::string reconstructions_html(const RunReport& report) {
  if (report.reconstructions.empty()) return "";
  std::string body = "<div class=\"strips\">\n";
  for (const ReconstructionSample& sample : report.reconstructions) body += sample_html(sample);
  return section_html("reconstructions", "Reconstructions", "patches that the model filled in",
                      body + "</div>\n");
}

}  // namespace conopa::report

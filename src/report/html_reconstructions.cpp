#include <fmt/format.h>

#include "conopa/report/svg.h"
#include "report/html_parts.h"

namespace conopa::report {
namespace {

std::string picture(const ReconstructionSample& sample, std::string_view heading,
                    const image::Image& image) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", heading,
                     picture_html(image, fmt::format("{}, {}", sample.name, heading)));
}

std::string triple_html(const ReconstructionSample& sample) {
  std::string out = "<figure class=\"triple\">\n<dl>\n" + picture(sample, "input", sample.input) +
                    picture(sample, "masked", sample.masked) +
                    picture(sample, "prediction", sample.predicted) + "</dl>\n";
  if (!sample.name.empty()) {
    out += fmt::format("<figcaption>{}</figcaption>\n", escape_xml(sample.name));
  }
  return out + "</figure>\n";
}

}  // namespace

std::string reconstructions_html(const RunReport& report) {
  if (report.reconstructions.empty()) return "";
  std::string body = "<div class=\"triples\">\n";
  for (const ReconstructionSample& sample : report.reconstructions) body += triple_html(sample);
  return section_html("reconstructions", "Reconstructions", "masked patches filled in",
                      body + "</div>\n");
}

}  // namespace conopa::report

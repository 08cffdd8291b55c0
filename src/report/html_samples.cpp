#include <fmt/format.h>

#include <algorithm>

#include "conopa/report/svg.h"
#include "report/html_parts.h"

namespace conopa::report {
namespace {

constexpr std::size_t kShownLabels = 3;

/// What is known about a sample's prediction.
enum class Verdict { kUnknown, kRight, kWrong };

Verdict verdict_of(const ReportSample& sample) {
  if (sample.truth.empty() || sample.top.empty()) return Verdict::kUnknown;
  return sample.top[0].label == sample.truth ? Verdict::kRight : Verdict::kWrong;
}

std::string head_html(const ReportSample& sample, Verdict verdict) {
  const std::string best = sample.top.empty() ? "no prediction" : sample.top[0].label;
  const std::string_view mark = verdict == Verdict::kRight   ? "<b class=\"mark\">✓</b> "
                                : verdict == Verdict::kWrong ? "<b class=\"mark\">✗</b> "
                                                             : "";
  std::string out = fmt::format("<p class=\"verdict\">{}{}</p>\n", mark, escape_xml(best));
  if (verdict == Verdict::kWrong) {
    out += fmt::format("<p class=\"truth\">true: {}</p>\n", escape_xml(sample.truth));
  } else if (verdict == Verdict::kRight) {
    out += "<p class=\"truth\">correct</p>\n";
  }
  return out;
}

std::string bars_html(const ReportSample& sample) {
  std::string out = "<ul class=\"top\">\n";
  for (std::size_t i = 0; i < std::min(kShownLabels, sample.top.size()); ++i) {
    const LabelProbability& item = sample.top[i];
    const std::string_view color = item.label == sample.truth ? "s0" : "faint";
    out += fmt::format(
        "<li><span class=\"name\">{}</span><span class=\"share\">{:.0f}%</span>"
        "<span class=\"meter\"><i style=\"width:{}%;background:var(--{})\"></i>"
        "</span></li>\n",
        escape_xml(item.label), 100 * item.probability,
        svg_number(100 * std::clamp(item.probability, 0.0, 1.0)), color);
  }
  return out + "</ul>\n";
}

std::string sample_html(const ReportSample& sample) {
  const Verdict verdict = verdict_of(sample);
  const std::string_view frame = verdict == Verdict::kRight   ? "sample right"
                                 : verdict == Verdict::kWrong ? "sample wrong"
                                                              : "sample";
  return fmt::format(
      "<figure class=\"{}\" title=\"{}\">\n{}\n<figcaption>\n{}{}</figcaption>\n"
      "</figure>\n",
      frame, escape_xml(sample.name), picture_html(sample.image, sample.name),
      head_html(sample, verdict), bars_html(sample));
}

std::string summary(const std::vector<ReportSample>& samples) {
  std::size_t right = 0;
  std::size_t known = 0;
  for (const ReportSample& sample : samples) {
    right += verdict_of(sample) == Verdict::kRight;
    known += verdict_of(sample) != Verdict::kUnknown;
  }
  return known == 0 ? "" : fmt::format("{} of {} right", right, known);
}

}  // namespace

std::string samples_html(const RunReport& report) {
  if (report.samples.empty()) return "";
  std::string body = "<div class=\"samples\">\n";
  for (const ReportSample& sample : report.samples) body += sample_html(sample);
  return section_html("samples", "Samples", summary(report.samples), body + "</div>\n");
}

}  // namespace conopa::report

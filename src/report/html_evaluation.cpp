#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "conopa/report/plot.h"
#include "report/axis.h"
#include "report/html_parts.h"

namespace conopa::report {
namespace {

constexpr std::size_t kWorstPairs = 12;
constexpr std::size_t kWorstClasses = 20;  // shown openly if there are many classes
constexpr std::size_t kMaxListedClasses = 1000;

std::string percent(std::optional<double> share) {
  return share ? format_value(*share, ValueFormat::kPercent) : "–";
}

std::string figure(std::string_view name, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escape_xml(value));
}

std::string figures_html(const eval::ClassificationResult& result) {
  std::string out = "<dl class=\"figures\">\n";
  out += figure("Top-1", percent(result.top1));
  if (result.num_classes > result.top_k) {
    out += figure(fmt::format("Top-{}", result.top_k), percent(result.top5));
  }
  out += figure("Loss", fmt::format("{:.4f}", result.loss));
  out += figure("ECE", percent(result.calibration.ece));
  out += figure("MCE", percent(result.calibration.mce));
  out += figure("Macro F1", percent(result.macro_f1()));
  out += figure("Balanced accuracy", percent(result.balanced_accuracy()));
  return out + "</dl>\n";
}

std::string warning_html(const eval::ClassificationResult& result) {
  if (result.non_finite == 0) return "";
  return fmt::format(
      "<p class=\"warning\">{} of {} images gave NaN or infinite outputs; they count "
      "as wrong.</p>\n",
      format_count(result.non_finite), format_count(result.samples));
}

std::string confusion_html(const RunReport& report) {
  const eval::ClassificationResult& result = *report.evaluation;
  if (!result.has_confusion()) return "";
  if (result.num_classes <= kMaxLabelledClasses) {
    return panel_html("wide", "Confusion matrix",
                      "<div class=\"scroll\"><div class=\"matrix\">" +
                          confusion_svg(result, report.class_names) + "</div></div>\n");
  }
  return panel_html("wide", "Confusion matrix",
                    image_html(confusion_image(result), "Confusion matrix", "heat pixels") +
                        "<p class=\"caption\">Rows: true class · columns: predicted · blue: right "
                        "· orange: wrong</p>\n");
}

std::string pairs_html(const RunReport& report) {
  const std::vector<eval::ConfusedPair> pairs = report.evaluation->worst_pairs(kWorstPairs);
  if (pairs.empty()) return "";
  // Bars compare the pairs with each other: even the worst is a small share of its class.
  const double longest =
      std::max_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
        return a.share < b.share;
      })->share;
  std::string rows;
  for (const eval::ConfusedPair& pair : pairs) {
    rows += fmt::format(
        "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td>{}</tr>\n",
        escape_xml(class_name(report.class_names, pair.truth)),
        escape_xml(class_name(report.class_names, pair.predicted)), format_count(pair.count),
        bar_cell_html(pair.share / longest, fmt::format("{:.1f} %", 100 * pair.share), "s1"));
  }
  return panel_html("narrow", "Most frequent confusions",
                    "<div class=\"scroll\"><table><thead><tr><th>true</th><th>predicted</th>"
                    "<th class=\"number\">count</th><th class=\"number\">of class</th></tr></thead>"
                    "<tbody>\n" +
                        rows + "</tbody></table></div>\n");
}

std::string class_row(const RunReport& report, std::size_t index) {
  const eval::ClassScores& scores = report.evaluation->classes[index];
  const std::string name = class_name(report.class_names, static_cast<std::int64_t>(index));
  return fmt::format(
      "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>"
      "<td class=\"number\">{}</td>{}</tr>\n",
      escape_xml(name), format_count(scores.support), percent(scores.precision()),
      percent(scores.recall()),
      bar_cell_html(scores.f1().value_or(0.0), percent(scores.f1()), "s0"));
}

std::string class_table(const RunReport& report, const std::vector<std::size_t>& order,
                        std::size_t limit) {
  std::string rows;
  for (std::size_t i = 0; i < std::min(limit, order.size()); ++i) {
    rows += class_row(report, order[i]);
  }
  return "<div class=\"scroll\"><table><thead><tr><th>class</th><th class=\"number\">images</th>"
         "<th class=\"number\">precision</th><th class=\"number\">recall</th>"
         "<th class=\"number\">F1</th></tr></thead><tbody>\n" +
         rows + "</tbody></table></div>\n";
}

std::string classes_html(const RunReport& report) {
  const std::vector<eval::ClassScores>& classes = report.evaluation->classes;
  std::vector<std::size_t> order(classes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (order.size() <= static_cast<std::size_t>(kMaxLabelledClasses)) {
    return panel_html("wide", "Per class", class_table(report, order, order.size()));
  }
  const std::string all = class_table(report, order, kMaxListedClasses);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    // Classes that never occur have no score and are not of interest: last.
    return classes[a].f1().value_or(2.0) < classes[b].f1().value_or(2.0);
  });
  const std::string more = order.size() > kMaxListedClasses
                               ? fmt::format("First {} classes", kMaxListedClasses)
                               : fmt::format("All {} classes", order.size());
  return panel_html("wide", fmt::format("Per class: the {} weakest", kWorstClasses),
                    class_table(report, order, kWorstClasses) +
                        fmt::format("<details><summary>{}</summary>\n{}</details>\n", more, all));
}

std::string reliability_html(const eval::Calibration& calibration) {
  return panel_html("narrow", "Reliability",
                    reliability_svg(calibration) +
                        fmt::format("<p class=\"caption\">ECE {} · MCE {}</p>\n",
                                    percent(calibration.ece), percent(calibration.mce)));
}

}  // namespace

std::string evaluation_html(const RunReport& report) {
  if (!report.evaluation) return "";
  const eval::ClassificationResult& result = *report.evaluation;
  const std::string note = report.evaluation_title.empty()
                               ? format_count(result.samples) + " images"
                               : report.evaluation_title;
  return section_html("evaluation", "Evaluation", note,
                      figures_html(result) + warning_html(result) + "<div class=\"columns\">\n" +
                          confusion_html(report) + reliability_html(result.calibration) +
                          classes_html(report) + pairs_html(report) + "</div>\n");
}

}  // namespace conopa::report

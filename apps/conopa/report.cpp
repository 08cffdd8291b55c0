// conopa report: finished and running runs side by side, repetitions with their spread.

#include "report.h"

#include <fmt/format.h>

#include <memory>

#include "conopa/core/log.h"
#include "conopa/io/atomic_file.h"
#include "program_version.h"

namespace conopa::app {
namespace {

void write_files(const Context& context, const ReportOptions& options,
                 const Comparison& comparison) {
  if (!options.csv.empty()) {
    write_file_atomically(options.csv, report::table_csv(comparison_csv(comparison)));
  }
  if (!options.curves.empty()) {
    write_file_atomically(options.curves, report::table_csv(curves_csv(comparison)));
  }
  if (!options.svg.empty()) {
    report::LineChart chart = metric_chart(comparison, 0);
    chart.width = 640;
    chart.height = 340;
    write_file_atomically(options.svg, report::line_chart_svg(chart, report::SvgUse::kStandalone));
  }
  if (!options.out.empty()) {
    report::RunReport page = comparison_page(comparison);
    page.command = context.command_line;
    page.generator = version_text();
    write_file_atomically(options.out, report::render_report(page));
  }
}

int run_report(const Context& context, const ReportOptions& options) {
  const std::vector<RunGroup> groups = read_groups(options);
  const Comparison comparison = compare(groups, chosen_metrics(options.values, groups));
  for (const std::string& warning : comparison.warnings) log_warning("{}", warning);
  write_files(context, options, comparison);
  if (context.json) {
    fmt::print("{}\n", comparison_json(comparison));
  } else {
    fmt::print("{}", report::table_text(comparison_table(comparison)));
  }
  return 0;
}

}  // namespace

void add_report(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "report", "compare runs: table, curves and a page; seeds with their spread",
      "conopa report runs/soft-seed* runs/hard-seed* --out compare.html\n"
      "  conopa report soft=runs/a,runs/b hard=runs/c --values eval.top1,train.loss --csv t.csv");
  auto options = std::make_shared<ReportOptions>();
  command
      ->add_option("runs", options->runs,
                   "run folders, or NAME=DIR[,DIR...]; equal names but for -seedN form a group")
      ->required();
  command->add_option("--names", options->names,
                      "names of the groups in their order, separated by commas");
  command->add_option("--values", options->values,
                      "metrics, separated by commas: eval.top1,train.loss; NAME:min or NAME:max "
                      "says which value is best");
  command->add_option("-o,--out", options->out, "write a self-contained HTML page");
  command->add_option("--csv", options->csv, "write the table");
  command->add_option("--curves", options->curves,
                      "write the curves: group,metric,epoch,mean,min,max,runs");
  command->add_option("--svg", options->svg, "write the chart of the first metric");
  command->callback([&context, options] {
    context.action = [&context, options] { return run_report(context, *options); };
  });
}

}  // namespace conopa::app

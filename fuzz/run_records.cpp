// What a run folder holds and later commands read back: metrics.jsonl and saved evaluations.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "conopa/core/error.h"
#include "conopa/eval/classification.h"
#include "conopa/report/html.h"
#include "conopa/report/metrics_log.h"

namespace {

/// Charts and logs must cope with every series that parses.
void read_metrics_text(std::string_view text) {
  const std::vector<conopa::report::MetricEvent> events = conopa::report::parse_metrics(text);
  if (events.size() > 200) return;
  for (const conopa::report::MetricEvent& event : events) {
    (void)conopa::report::to_json_line(event);
  }
  conopa::report::RunReport report;
  report.series = conopa::report::to_series(events);
  (void)conopa::report::render_report(report);
}

/// What parses must be written and read again unchanged.
void read_result_text(std::string_view text) {
  const std::string once =
      conopa::eval::to_json(conopa::eval::classification_result_from_json(text));
  const std::string twice =
      conopa::eval::to_json(conopa::eval::classification_result_from_json(once));
  if (once != twice) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    read_metrics_text(text);
  } catch (const conopa::Error&) {
  }
  try {
    read_result_text(text);
  } catch (const conopa::Error&) {
  }
  return 0;
}

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/report/metrics_log.h"
#include "conopa/report/summary_csv.h"
#include "conopa/report/tensorboard.h"
#include "conopa/train/run_folder.h"

namespace conopa::train {

/// Everything a run writes down as it goes: metrics.jsonl, summary.csv, TensorBoard events.
class RunLog {
 public:
  using Values = std::vector<std::pair<std::string, double>>;

  struct Position {
    std::int64_t events = 0;  ///< lines of metrics.jsonl that stay
    std::int64_t epochs = 0;  ///< rows of summary.csv that stay
    std::int64_t step = 0;
  };

  /// Opens the files; what a resumed run will write again is cut off first.
  RunLog(const RunFolder& folder, const Position& position, bool tensorboard, double wall_time);

  /// One event in metrics.jsonl and TensorBoard.
  void event(const report::MetricEvent& event);
  /// The row of an epoch in summary.csv.
  void epoch(std::int64_t epoch, const Values& values) { summary_.set_epoch(epoch, values); }

  [[nodiscard]] std::int64_t events() const noexcept { return events_; }

 private:
  std::int64_t events_;
  report::MetricsLog metrics_;
  report::SummaryCsv summary_;
  std::optional<report::TensorBoardWriter> tensorboard_;
};

}  // namespace conopa::train

#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conopa/report/append_file.h"

namespace conopa::report {

/// One logged moment: a point in training and any number of named values.
struct MetricEvent {
  std::int64_t step = 0;   ///< optimiser steps done
  std::int64_t epoch = 0;  ///< counted from 0
  double wall_time = 0.0;  ///< seconds since 1970, from the caller's clock
  std::string split{};     ///< "train", "eval", ...
  std::vector<std::pair<std::string, double>> values{};

  friend bool operator==(const MetricEvent&, const MetricEvent&) = default;
};

/// The event as one line of JSON, without newline:
/// `{"step":20,"epoch":1,"wall_time":3.5,"split":"train","loss":0.5}`. Values keep every bit; NaN
/// and infinities, which JSON lacks, become the strings "nan", "inf" and "-inf".
/// @throws ConfigError if a value's name is one of the four fixed fields.
[[nodiscard]] std::string to_json_line(const MetricEvent& event);

/// Reads the text of a metrics.jsonl. A malformed last line, left by a crash, is ignored, and so
/// are blank lines and values of other types.
/// @param where  names the text in messages, e.g. the file.
/// @throws FormatError naming the line if an earlier one is malformed.
[[nodiscard]] std::vector<MetricEvent> parse_metrics(std::string_view text,
                                                     std::string_view where = "metrics");

/// parse_metrics on a file.
/// @throws IoError if it cannot be read.
[[nodiscard]] std::vector<MetricEvent> read_metrics(const std::filesystem::path& path);

/// Drops every event after `last_step` (and a torn last line), keeping the bytes of the other
/// lines, so that a resumed run continues the file of an uninterrupted one. A missing file stays
/// missing. The file is replaced atomically.
/// @throws IoError, FormatError as read_metrics.
void truncate_metrics(const std::filesystem::path& path, std::int64_t last_step);

/// Appends events to a metrics.jsonl; every event reaches the operating system before append
/// returns. Not thread-safe.
class MetricsLog {
 public:
  /// Creates the file or continues it; a torn last line of a crashed run is removed first.
  /// @throws IoError if the file cannot be written.
  explicit MetricsLog(const std::filesystem::path& path);

  /// @throws IoError if the line cannot be written (disk full); the file then is as before.
  void append(const MetricEvent& event);

 private:
  AppendFile file_;
};

/// The values of one metric of one split over the run, in the order logged.
struct MetricSeries {
  std::string split{};
  std::string name{};
  std::vector<std::int64_t> steps{};
  std::vector<std::int64_t> epochs{};
  std::vector<double> values{};
};

/// Sorts events into series, in order of first appearance.
[[nodiscard]] std::vector<MetricSeries> to_series(std::span<const MetricEvent> events);

}  // namespace conopa::report

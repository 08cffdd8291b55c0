#include "conopa/report/metrics_log.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/mapped_file.h"

namespace conopa::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMaxLogBytes = std::int64_t{1} << 32;
constexpr std::array<std::string_view, 4> kFixed = {"step", "epoch", "wall_time", "split"};

bool is_fixed(std::string_view name) {
  return std::find(kFixed.begin(), kFixed.end(), name) != kFixed.end();
}

Json number_to_json(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

std::optional<double> number_from_json(const Json& json) {
  if (json.is_number()) return json.get<double>();
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "inf") return std::numeric_limits<double>::infinity();
  if (json == "-inf") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

/// Nothing if the line is not an event.
std::optional<MetricEvent> parse_line(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) {
    return std::nullopt;
  }
  MetricEvent event;
  event.step = json["step"].get<std::int64_t>();
  if (const auto it = json.find("epoch"); it != json.end() && it->is_number_integer()) {
    event.epoch = it->get<std::int64_t>();
  }
  if (const auto it = json.find("wall_time"); it != json.end() && it->is_number()) {
    event.wall_time = it->get<double>();
  }
  if (const auto it = json.find("split"); it != json.end() && it->is_string()) {
    event.split = it->get<std::string>();
  }
  for (const auto& [name, value] : json.items()) {
    if (is_fixed(name)) continue;
    if (const std::optional<double> number = number_from_json(value)) {
      event.values.emplace_back(name, *number);
    }
  }
  return event;
}

/// Calls `visit(event, line)` for every event with the line's text, newline excluded.
template <typename Visit>
void for_each_event(std::string_view text, std::string_view where, Visit&& visit) {
  std::int64_t line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (std::optional<MetricEvent> event = parse_line(line)) {
      visit(std::move(*event), line);
    } else if (!text.empty()) {
      throw FormatError(where,
                        "expected a JSON object with a step in line {}, found '{}'; "
                        "repair or delete that line",
                        line_number, line.substr(0, 60));
    }
  }
}

/// The lines of the events up to `last_step`, each ended.
std::string kept_lines(std::string_view text, std::string_view where, std::int64_t last_step) {
  std::string kept;
  for_each_event(text, where, [&](const MetricEvent& event, std::string_view line) {
    if (event.step <= last_step) kept.append(line).append("\n");
  });
  return kept;
}

/// Opens the file without the torn last line of a crashed run.
AppendFile open_repaired(const std::filesystem::path& path) {
  truncate_metrics(path, std::numeric_limits<std::int64_t>::max());
  return AppendFile::open(path);
}

}  // namespace

std::string to_json_line(const MetricEvent& event) {
  Json json = {{"step", event.step},
               {"epoch", event.epoch},
               {"wall_time", number_to_json(event.wall_time)},
               {"split", event.split}};
  for (const auto& [name, value] : event.values) {
    if (is_fixed(name)) {
      throw ConfigError("metrics",
                        "expected a metric name, '{}' is a fixed field; rename the metric", name);
    }
    json[name] = number_to_json(value);
  }
  // Bytes that are not UTF-8 must not stop a run.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<MetricEvent> parse_metrics(std::string_view text, std::string_view where) {
  std::vector<MetricEvent> events;
  for_each_event(text, where,
                 [&](MetricEvent event, std::string_view) { events.push_back(std::move(event)); });
  return events;
}

std::vector<MetricEvent> read_metrics(const std::filesystem::path& path) {
  return parse_metrics(read_text_file(path, kMaxLogBytes), path.string());
}

void truncate_metrics(const std::filesystem::path& path, std::int64_t last_step) {
  if (!std::filesystem::exists(path)) return;
  const std::string text = read_text_file(path, kMaxLogBytes);
  const std::string kept = kept_lines(text, path.string(), last_step);
  if (kept != text) write_file_atomically(path, kept);
}

MetricsLog::MetricsLog(const std::filesystem::path& path) : file_(open_repaired(path)) {}

void MetricsLog::append(const MetricEvent& event) { file_.append(to_json_line(event) + "\n"); }

std::vector<MetricSeries> to_series(std::span<const MetricEvent> events) {
  std::vector<MetricSeries> out;
  for (const MetricEvent& event : events) {
    for (const auto& [name, value] : event.values) {
      auto it = std::find_if(out.begin(), out.end(), [&, &key = name](const MetricSeries& series) {
        return series.split == event.split && series.name == key;
      });
      if (it == out.end()) it = out.insert(out.end(), {event.split, name, {}, {}, {}});
      it->steps.push_back(event.step);
      it->epochs.push_back(event.epoch);
      it->values.push_back(value);
    }
  }
  return out;
}

}  // namespace conopa::report

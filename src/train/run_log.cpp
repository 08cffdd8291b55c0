#include "train/run_log.h"

#include <filesystem>
#include <system_error>

#include "conopa/io/atomic_file.h"
#include "conopa/io/mapped_file.h"

namespace conopa::train {
namespace {

constexpr std::int64_t kMaxLogBytes = std::int64_t{1} << 32;

// Keeps the first `lines` lines; by count, not by step, because several events share a step.
std::filesystem::path with_lines(const std::filesystem::path& path, std::int64_t lines) {
  std::error_code missing;
  if (!std::filesystem::exists(path, missing)) return path;
  const std::string text = read_text_file(path, kMaxLogBytes);
  std::size_t end = 0;
  for (std::int64_t i = 0; i < lines && end < text.size(); ++i) {
    const std::size_t newline = text.find('\n', end);
    if (newline == std::string::npos) break;
    end = newline + 1;
  }
  if (end < text.size()) write_file_atomically(path, std::string_view(text).substr(0, end));
  return path;
}

}  // namespace

RunLog::RunLog(const RunFolder& folder, const Position& position, bool tensorboard,
               double wall_time)
    : events_(position.events),
      metrics_(with_lines(folder.file("metrics.jsonl"), position.events)),
      summary_(folder.file("summary.csv")) {
  summary_.truncate(position.epochs - 1);
  if (tensorboard) {
    report::TensorBoardWriter::Options options;
    options.wall_time = wall_time;
    options.resume_step = position.step;
    tensorboard_.emplace(folder.root(), options);
  }
}

void RunLog::event(const report::MetricEvent& event) {
  metrics_.append(event);
  ++events_;
  if (!tensorboard_) return;
  for (const auto& [name, value] : event.values) {
    tensorboard_->scalar(event.split + "/" + name, event.step, value, event.wall_time);
  }
}

}  // namespace conopa::train

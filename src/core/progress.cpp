#include "conopa/core/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ostream>

#include "conopa/core/system.h"

namespace conopa {
namespace {

constexpr double kSmoothing_s = 30.0;  // what happened longer ago counts less than 1/e
constexpr int kMaxBar = 30;
constexpr int kMinBar = 8;
constexpr std::string_view kErase = "\r\x1b[K";

double steady_seconds() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// Columns, taking one per character; the texts shown here hold no wide ones.
int columns_of(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string cut_to(std::string_view text, int columns) {
  std::size_t end = 0;
  for (int used = 0; end < text.size(); ++end) {
    if (!is_continuation(text[end]) && used++ == columns) break;
  }
  return std::string(text.substr(0, end));
}

std::string repeat(std::string_view what, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += what;
  return out;
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (!is_set(name)) continue;
    std::string value = std::getenv(name);
    std::transform(value.begin(), value.end(), value.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

ProgressOptions detect_progress(int fd) {
  ProgressOptions options;
  options.terminal = is_terminal(fd);
  options.color = options.terminal && !is_set("NO_COLOR");
  options.utf8 = locale_is_utf8();
  options.width = terminal_width(fd);
  return options;
}

Progress::Progress(std::ostream& out, std::int64_t total, ProgressOptions options)
    : out_(out), total_(total), options_(std::move(options)), step_(options_.first_step) {
  if (!options_.now_s) options_.now_s = steady_seconds;
  start_s_ = options_.now_s();
  last_update_s_ = start_s_;
  // The first redraw comes at once, the first plain line after one interval.
  last_draw_s_ = options_.terminal ? start_s_ - options_.redraw_s : start_s_;
}

Progress::~Progress() {
  if (!drawn_) return;
  try {
    out_ << '\n' << std::flush;
  } catch (...) {  // a stream set to throw: nothing is left to do
  }
}

void Progress::set(std::string_view name, std::string_view value) {
  const auto it = std::find_if(fields_.begin(), fields_.end(),
                               [name](const auto& field) { return field.first == name; });
  if (it != fields_.end()) {
    it->second = value;
  } else {
    fields_.emplace_back(name, value);
  }
}

void Progress::update(std::int64_t step) {
  if (finished_) return;
  const double now = options_.now_s();
  // Both sums fade alike, so their ratio is a weighted mean from the first update on.
  const double elapsed = std::max(0.0, now - last_update_s_);
  const double keep = std::exp(-elapsed / kSmoothing_s);
  recent_steps_ = recent_steps_ * keep + static_cast<double>(step - step_);
  recent_s_ = recent_s_ * keep + elapsed;
  last_update_s_ = now;
  step_ = step;
  const double pause = options_.terminal ? options_.redraw_s : options_.interval_s;
  if (now - last_draw_s_ < pause) return;
  last_draw_s_ = now;
  draw(rate());
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  last_update_s_ = std::max(last_update_s_, options_.now_s());
  const double elapsed = last_update_s_ - start_s_;
  const auto steps = static_cast<double>(step_ - options_.first_step);
  draw(elapsed > 0 ? steps * options_.units_per_step / elapsed : 0.0);
  if (options_.terminal) out_ << '\n' << std::flush;
  drawn_ = false;
}

void Progress::clear() {
  if (!drawn_) return;
  out_ << kErase << std::flush;
  drawn_ = false;
  last_draw_s_ -= options_.redraw_s;
}

double Progress::rate() const noexcept {
  return recent_s_ > 0 ? std::max(0.0, recent_steps_ / recent_s_) * options_.units_per_step : 0.0;
}

double Progress::eta_s() const noexcept {
  const double steps_per_s = recent_s_ > 0 ? recent_steps_ / recent_s_ : 0.0;
  if (total_ <= 0 || steps_per_s <= 0) return -1.0;
  return static_cast<double>(std::max<std::int64_t>(0, total_ - step_)) / steps_per_s;
}

double Progress::fraction() const noexcept {
  if (total_ <= 0) return 0.0;
  return std::clamp(static_cast<double>(step_) / static_cast<double>(total_), 0.0, 1.0);
}

std::string Progress::bar(int columns) const {
  const int full = static_cast<int>(fraction() * columns);
  if (!options_.utf8) {
    const std::string head = full < columns ? ">" : "";
    return fmt::format("[{}{}{}]", repeat("=", full), head, repeat(" ", columns - full - 1));
  }
  const std::string done = repeat("━", full);
  const std::string rest = repeat("─", columns - full);
  return options_.color ? fmt::format("\x1b[36m{}\x1b[2m{}\x1b[0m", done, rest) : done + rest;
}

std::string Progress::count() const {
  return total_ > 0 ? fmt::format("{}/{}", step_, total_) : fmt::format("{}", step_);
}

std::string Progress::rate_text(double shown_rate) const {
  return fmt::format("{} {}/s", format_count(shown_rate), options_.unit);
}

std::string Progress::times() const {
  std::string out = format_duration(last_update_s_ - start_s_);
  if (!finished_ && eta_s() >= 0) out += " ETA " + format_duration(eta_s());
  return out;
}

std::string Progress::plain_line(double shown_rate) const {
  std::vector<std::string> parts;
  if (!options_.label.empty()) parts.push_back(options_.label);
  parts.push_back(count());
  // Rounded down: 100% means done.
  if (total_ > 0) parts.push_back(fmt::format("{:.0f}%", std::floor(fraction() * 100)));
  parts.push_back(rate_text(shown_rate));
  parts.push_back(times());
  for (const auto& [name, value] : fields_) parts.push_back(fmt::format("{} {}", name, value));
  return fmt::format("{}", fmt::join(parts, "  "));
}

std::string Progress::fitted_line(double shown_rate) const {
  // One column stays free: a full line makes some terminals wrap.
  const int room = std::max(1, options_.width - 1);
  const std::string text = plain_line(shown_rate);
  const int frame = options_.utf8 ? 0 : 2;
  const int columns = std::min(kMaxBar, room - columns_of(text) - frame - 2);
  if (total_ <= 0 || columns < kMinBar) return cut_to(text, room);
  return bar(columns) + "  " + text;
}

void Progress::draw(double shown_rate) {
  if (options_.terminal) {
    out_ << kErase << fitted_line(shown_rate) << std::flush;
    drawn_ = true;
  } else {
    out_ << plain_line(shown_rate) << '\n' << std::flush;
  }
}

}  // namespace conopa

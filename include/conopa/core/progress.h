#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conopa {

struct ProgressOptions {
  std::string label;              ///< what is under way, e.g. "epoch 3/10"
  std::string unit = "steps";     ///< what the rate counts
  double units_per_step = 1.0;    ///< e.g. the batch size, for images/s
  std::int64_t first_step = 0;    ///< where a resumed run starts
  bool terminal = false;          ///< one redrawn line instead of one line per interval
  bool color = false;             ///< ANSI colours (terminal only)
  bool utf8 = false;              ///< a bar of box-drawing characters instead of ASCII
  int width = 80;                 ///< columns of the terminal
  double interval_s = 10.0;       ///< between plain lines
  double redraw_s = 0.1;          ///< between redraws
  std::function<double()> now_s;  ///< monotonic clock in seconds; empty = the system's
};

/// The options that suit the stream behind `fd` and the environment: terminal, width, UTF-8 locale,
/// and colour unless NO_COLOR is set.
[[nodiscard]] ProgressOptions detect_progress(int fd);

/// Shows how far a long piece of work is: step of total, rate, elapsed time, time left, and free
/// fields such as loss. On a terminal one line is redrawn; otherwise a line is written per interval
/// and one at the end. Not thread-safe.
///
///   train  42% ━━━━━━━────────── 120/938  1523 images/s  0:10 ETA 1:08  loss 0.53
class Progress {
 public:
  /// @param out    kept by reference.
  /// @param total  steps until done; 0 if unknown (no bar, no ETA).
  Progress(std::ostream& out, std::int64_t total, ProgressOptions options);
  /// Ends the redrawn line, if any, so that later output starts on its own line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Sets a field shown after the times; fields keep the order of their first setting.
  void set(std::string_view name, std::string_view value);

  /// Reports that `step` steps are done; writes when it is time to.
  void update(std::int64_t step);

  /// Writes the final line with the mean rate. Later calls do nothing.
  void finish();

  /// Erases the redrawn line so that other text can be written; the next update draws it again.
  void clear();

  /// Units per second, the last half minute counting most; 0 before the first update.
  [[nodiscard]] double rate() const noexcept;
  /// Seconds until `total` at the current rate; negative if unknown.
  [[nodiscard]] double eta_s() const noexcept;

 private:
  [[nodiscard]] std::string bar(int columns) const;
  [[nodiscard]] std::string fitted_line(double shown_rate) const;
  [[nodiscard]] std::string plain_line(double shown_rate) const;
  [[nodiscard]] std::string times() const;
  [[nodiscard]] std::string count() const;
  [[nodiscard]] std::string rate_text(double shown_rate) const;
  [[nodiscard]] double fraction() const noexcept;
  void draw(double shown_rate);

  std::ostream& out_;
  std::int64_t total_;
  ProgressOptions options_;
  std::vector<std::pair<std::string, std::string>> fields_;
  double start_s_;
  double last_update_s_;
  double last_draw_s_;
  std::int64_t step_;
  double recent_steps_ = 0.0;
  double recent_s_ = 0.0;
  bool drawn_ = false;
  bool finished_ = false;
};

}  // namespace conopa

#pragma once

#include <cstdint>
#include <string>

namespace conopa {

/// Most memory this process has held so far, in bytes; 0 if the system does not tell.
[[nodiscard]] std::int64_t peak_rss_bytes() noexcept;

/// Processor time of this process so far, all threads, seconds.
[[nodiscard]] double processor_seconds() noexcept;

/// Whether the file descriptor is an interactive terminal that understands cursor movement
/// (`TERM=dumb` is not).
[[nodiscard]] bool is_terminal(int fd) noexcept;

/// Columns of the terminal behind `fd`, or 80 if unknown.
[[nodiscard]] int terminal_width(int fd) noexcept;

/// The processor's name, or "unknown CPU".
[[nodiscard]] std::string cpu_model_name();

/// "0.25s" below one second, "12.3s" below ten, then "0:42", "3:05", "2:03:04", "1d 02:03:04".
/// Negative or non-finite durations give "?".
[[nodiscard]] std::string format_duration(double seconds);

/// "512 B", "1.5 KiB", "3.2 GiB".
[[nodiscard]] std::string format_bytes(std::int64_t bytes);

/// Three significant digits with an SI suffix: "999", "12.3k", "5.72M", "6.74G".
[[nodiscard]] std::string format_count(double count);

}  // namespace conopa

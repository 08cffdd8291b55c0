#pragma once

#include <fmt/format.h>

#include <functional>
#include <string_view>
#include <utility>

namespace conopa {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Where the library sends its messages. It never prints by itself; the default drops them.
/// May be called from several threads at once.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Replaces the process-wide sink; an empty function restores the silent default. Thread-safe.
void set_log_sink(LogSink sink);

/// Sends one line to the sink. Thread-safe.
void log_line(LogLevel level, std::string_view line);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace conopa

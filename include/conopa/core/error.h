#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace conopa {

/// Process exit codes of the `conopa` command; every error carries the one it leads to.
enum class ExitCode : int {
  kSuccess = 0,
  kRunFailed = 1,     ///< the run itself failed (non-finite loss, out of memory, unknown cause)
  kUsage = 2,         ///< wrong command line or configuration
  kBadData = 3,       ///< missing or bad data, image or checkpoint
  kCheckFailed = 4,   ///< a check or parity comparison is outside its tolerance
  kInterrupted = 130  ///< stopped by a signal after saving
};

/// Base of every fault that a user or their data can cause.
///
/// The text is one line of the form `[where] expected, found; remedy`. Programmer faults use
/// CONOPA_ASSERT instead.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string_view where, std::string_view what)
      : std::runtime_error(fmt::format("[{}] {}", where, what)), code_(code) {}

  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

namespace detail {
/// Gives each error class a formatting constructor; `Code` is its exit code.
template <ExitCode Code>
class ErrorOf : public Error {
 public:
  template <typename... Args>
  explicit ErrorOf(std::string_view where, fmt::format_string<Args...> format, Args&&... args)
      : Error(Code, where, fmt::format(format, std::forward<Args>(args)...)) {}
};
}  // namespace detail

/// A recipe, option or spec value that is unknown, missing or out of range.
class ConfigError : public detail::ErrorOf<ExitCode::kUsage> {
  using ErrorOf::ErrorOf;
};
/// A command line that cannot be understood.
class UsageError : public detail::ErrorOf<ExitCode::kUsage> {
  using ErrorOf::ErrorOf;
};
/// Bytes that do not follow their format (checkpoint, image, dataset).
class FormatError : public detail::ErrorOf<ExitCode::kBadData> {
  using ErrorOf::ErrorOf;
};
/// Tensors or images whose dimensions do not fit together.
class ShapeError : public detail::ErrorOf<ExitCode::kBadData> {
  using ErrorOf::ErrorOf;
};
/// A file that cannot be opened, read or written.
class IoError : public detail::ErrorOf<ExitCode::kBadData> {
  using ErrorOf::ErrorOf;
};
/// A valid request that this build or machine cannot serve.
class UnsupportedError : public detail::ErrorOf<ExitCode::kBadData> {
  using ErrorOf::ErrorOf;
};
/// A comparison outside its tolerance.
class CheckError : public detail::ErrorOf<ExitCode::kCheckFailed> {
  using ErrorOf::ErrorOf;
};
/// A run that cannot go on (non-finite loss, run folder in use).
class RunError : public detail::ErrorOf<ExitCode::kRunFailed> {
  using ErrorOf::ErrorOf;
};

namespace detail {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
}

/// Checks for programmer faults; active in every build because none sits in an inner loop.
#define CONOPA_ASSERT(condition) \
  ((condition) ? void(0) : ::conopa::detail::assertion_failed(#condition, __FILE__, __LINE__))

}  // namespace conopa

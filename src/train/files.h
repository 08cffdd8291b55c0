#pragma once

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "conopa/core/error.h"

namespace conopa::train {

/// IoError out of an errno.
[[noreturn]] inline void fail_io(const std::filesystem::path& path, int error,
                                 std::string_view doing, std::string_view rest = {}) {
  throw IoError(path.string(), "cannot {}: {}{}{}", doing, std::generic_category().message(error),
                rest.empty() ? "" : "; ", rest);
}

inline void check_io(const std::filesystem::path& path, const std::error_code& error,
                     std::string_view doing) {
  if (error) fail_io(path, error.value(), doing);
}

}  // namespace conopa::train

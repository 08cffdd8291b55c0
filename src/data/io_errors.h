#pragma once

#include <filesystem>

#include "conopa/core/error.h"

namespace conopa::data {

/// Runs an action on files; what the operating system refuses becomes an IoError with its path.
template <typename Action>
auto with_io_errors(const std::filesystem::path& where, Action action) {
  try {
    return action();
  } catch (const std::filesystem::filesystem_error& error) {
    const std::filesystem::path& path = error.path1().empty() ? where : error.path1();
    throw IoError(path.string(), "cannot be read: {}; check the path and its permissions",
                  error.code().message());
  }
}

}  // namespace conopa::data

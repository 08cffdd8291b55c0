#pragma once

#include <filesystem>
#include <string_view>

namespace conopa {

/// Throws the IoError for a failed system call: what was being done, why it failed, and what the
/// user can do about it.
///
/// @param error  errno of the call.
/// @param doing  "open", "write", ...
/// @param note   added to the remedy, e.g. that the old file is intact; may be empty.
[[noreturn]] void throw_io_error(const std::filesystem::path& path, int error,
                                 std::string_view doing, std::string_view note = {});

}  // namespace conopa

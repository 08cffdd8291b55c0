#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace conopa {

/// Throws the IoError for a failed system call: what was being done, why it failed, and what the
/// user can do about it.
///
/// @param error  errno of the call.
/// @param doing  "open", "write", ...
/// @param note   added to the remedy, e.g. that the old file is intact; may be empty.
[[noreturn]] void throw_io_error(const std::filesystem::path& path, int error,
                                 std::string_view doing, std::string_view note = {});

enum class PathKind { kMissing, kFile, kFolder };

/// What lies at a path (links followed; a device counts as a file).
/// @throws IoError if that cannot be found out, e.g. a parent is not accessible.
[[nodiscard]] PathKind path_kind(const std::filesystem::path& path);

/// Whether anything lies at a path.
/// @throws IoError as path_kind.
[[nodiscard]] bool path_exists(const std::filesystem::path& path);

/// What a folder holds, sorted by name.
/// @throws IoError if it cannot be listed.
[[nodiscard]] std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder);

}  // namespace conopa

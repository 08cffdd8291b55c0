#pragma once

#include <filesystem>
#include <string_view>

namespace conopa {

/// In the name of every temporary file and folder, so that stale ones can be found.
inline constexpr std::string_view kTemporaryMark = ".conopa-tmp-";

/// A name beside `target` that no other writer uses: process id and a counter.
[[nodiscard]] std::filesystem::path temporary_sibling(const std::filesystem::path& target);

/// Waits until the disk holds the data of an open file. Returns 0 or errno.
[[nodiscard]] int sync_descriptor(int descriptor);

/// Makes renames and new names in `folder` durable. Returns 0 or errno.
[[nodiscard]] int sync_folder(const std::filesystem::path& folder);

/// The folder that a path lies in, "." if it names none.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& path);

}  // namespace conopa

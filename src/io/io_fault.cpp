#include "io/io_fault.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "conopa/core/error.h"

namespace conopa {
namespace {

std::string_view remedy_for(int error) {
  switch (error) {
    case ENOENT:
      return "check the path";
    case ENOTDIR:
      return "a part of the path is a file; check the path";
    case EACCES:
    case EPERM:
      return "check the permissions of the file and its folder";
    case EROFS:
      return "the file system is read-only; choose another folder";
    case ENOSPC:
    case EDQUOT:
      return "free space or choose another folder";
    case EFBIG:
      return "raise the file size limit (ulimit -f) or choose another file system";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    case EISDIR:
      return "expected a file, found a folder";
    case EEXIST:
      return "choose another name";
    default:
      return "check the disk";
  }
}

}  // namespace

void throw_io_error(const std::filesystem::path& path, int error, std::string_view doing,
                    std::string_view note) {
  throw IoError(path.string(), "cannot {}: {}; {}{}{}", doing,
                std::generic_category().message(error), remedy_for(error), note.empty() ? "" : "; ",
                note);
}

PathKind path_kind(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return PathKind::kMissing;
  if (error) throw_io_error(path, error.value(), "examine");
  return std::filesystem::is_directory(status) ? PathKind::kFolder : PathKind::kFile;
}

bool path_exists(const std::filesystem::path& path) {
  return path_kind(path) != PathKind::kMissing;
}

std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  const std::filesystem::directory_iterator end;
  for (; !error && entry != end; entry.increment(error)) paths.push_back(entry->path());
  if (error) throw_io_error(folder, error.value(), "list the folder");
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace conopa

#include "conopa/train/atomic_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "conopa/io/atomic_file.h"
#include "train/files.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNew = ".new";
constexpr std::string_view kOld = ".old";

fs::path hidden(const fs::path& target, std::string_view ending) {
  return target.parent_path() / fmt::format(".{}{}", target.filename().string(), ending);
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  check_io(path, error, "remove the folder");
}

// Makes the names inside a folder durable; file systems that cannot (EINVAL) have nothing to do.
void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_io(folder, errno, "open the folder");
  int error = 0;
  while (::fsync(descriptor) != 0) {
    if (errno == EINTR) continue;
    error = errno == EINVAL ? 0 : errno;
    break;
  }
  ::close(descriptor);
  if (error != 0) fail_io(folder, error, "flush the folder to disk");
}

bool exchange(const fs::path& a, const fs::path& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

void rename_to(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_io(to, errno, "rename into place");
}

// ".NAME.new" → "NAME"; empty for other names.
std::string target_name(const fs::path& path, std::string_view ending) {
  const std::string name = path.filename().string();
  if (!name.starts_with('.') || !name.ends_with(ending)) return {};
  return name.substr(1, name.size() - 1 - ending.size());
}

}  // namespace

AtomicFolder::AtomicFolder(fs::path target, AtomicFolderOptions options)
    : target_(std::move(target)),
      staging_(hidden(target_, kNew)),
      aside_(hidden(target_, kOld)),
      options_(std::move(options)) {
  remove_tree(staging_);
  ensure_directory(staging_);
  note("staging made");
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
}

void AtomicFolder::note(std::string_view step) const {
  if (options_.trace) options_.trace(step);
}

void AtomicFolder::commit() {
  sync_folder(staging_);
  note("staging synced");
  std::error_code error;
  if (!fs::exists(target_, error)) {
    rename_to(staging_, target_);
    note("renamed");
  } else if (options_.exchange && exchange(staging_, target_)) {
    note("exchanged");
  } else {
    replace_without_exchange();
  }
  sync_folder(target_.parent_path());
  note("parent synced");
  remove_tree(staging_);
  note("old removed");
}

void AtomicFolder::replace_without_exchange() {
  remove_tree(aside_);
  rename_to(target_, aside_);
  note("old moved aside");
  if (::rename(staging_.c_str(), target_.c_str()) != 0) {
    const int reason = errno;
    rename_to(aside_, target_);
    fail_io(target_, reason, "rename into place", "the old content is back");
  }
  note("renamed");
  remove_tree(aside_);
}

void recover_folders(const fs::path& parent) {
  std::error_code error;
  if (!fs::is_directory(parent, error)) return;
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, error)) {
    entries.push_back(entry.path());
  }
  check_io(parent, error, "list the folder");
  for (const fs::path& path : entries) {
    const std::string name = target_name(path, kOld);
    if (name.empty()) continue;
    if (fs::exists(parent / name, error)) {
      remove_tree(path);
    } else {
      rename_to(path, parent / name);
    }
  }
  for (const fs::path& path : entries) {
    if (!target_name(path, kNew).empty()) remove_tree(path);
  }
}

}  // namespace conopa::train

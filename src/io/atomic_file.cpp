#include "conopa/io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "conopa/core/error.h"
#include "io/durable.h"
#include "io/io_fault.h"

namespace conopa {
AtomicFile::AtomicFile(std::filesystem::path target)
    : target_(std::move(target)), temporary_(temporary_sibling(target_)) {
  if (!target_.has_filename())
    throw IoError(target_.string(), "expected a file name, found a folder");
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw_io_error(target_, errno, "create a file in its folder");
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
  }
  descriptor_ = -1;
}

void AtomicFile::fail(int error, std::string_view doing) {
  discard();
  throw_io_error(target_, error, doing, "an earlier file of this name is unchanged");
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  CONOPA_ASSERT(descriptor_ >= 0);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail(errno, "write");
    }
    size_ += written;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::overwrite(std::int64_t offset, std::string_view text) {
  CONOPA_ASSERT(descriptor_ >= 0 && offset >= 0 && offset + std::ssize(text) <= size_);
  while (!text.empty()) {
    const ssize_t written = ::pwrite(descriptor_, text.data(), text.size(), offset);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail(errno, "write");
    }
    offset += written;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  CONOPA_ASSERT(descriptor_ >= 0);
  if (const int error = sync_descriptor(descriptor_); error != 0) fail(error, "flush to disk");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno, "rename into place");
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) throw_io_error(target_, errno, "close");
  if (const int error = sync_folder(folder_of(target_)); error != 0) {
    throw_io_error(target_, error, "flush its folder to disk");
  }
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

void ensure_directory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw_io_error(path, error.value(), "create the folder");
  if (path_kind(path) != PathKind::kFolder) {
    throw IoError(path.string(), "expected a folder, found a file; choose another path");
  }
}

std::int64_t remove_stale_temporaries(const std::filesystem::path& folder) {
  std::int64_t removed = 0;
  for (const std::filesystem::path& path : list_folder(folder)) {
    const std::string name = path.filename().string();
    if (!name.starts_with('.') || name.find(kTemporaryMark) == std::string::npos) continue;
    std::error_code ignored;
    const bool regular = std::filesystem::is_regular_file(path, ignored);
    if (regular && std::filesystem::remove(path, ignored)) ++removed;
  }
  return removed;
}

}  // namespace conopa

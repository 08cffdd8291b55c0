#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace conopa {

/// Writes a file so that its name always shows either the old or the complete new content.
///
/// Bytes go to a temporary file in the same folder; commit() flushes it to disk and renames it. If
/// anything fails, or commit() is never reached, the temporary file is removed and the old file
/// stays as it was. Not thread-safe; several instances may write to one folder at once.
class AtomicFile {
 public:
  /// @throws IoError if the folder is missing or cannot be written.
  explicit AtomicFile(std::filesystem::path target);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Appends bytes.
  /// @throws IoError if the disk is full or fails; the object can then only be destroyed.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  /// Replaces bytes written before, such as a header that counts what follows.
  /// @param offset  offset + bytes.size() <= size().
  /// @throws IoError as write.
  void overwrite(std::int64_t offset, std::string_view text);

  /// Bytes written so far.
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }

  /// Makes the content durable and visible under the target name. Call once.
  /// @throws IoError if flushing or renaming fails; the old file is intact.
  void commit();

 private:
  void discard() noexcept;
  [[noreturn]] void fail(int error, std::string_view doing);

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

/// Replaces the content of `path` as AtomicFile does.
/// @throws IoError if the folder is missing or read-only or the disk is full.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Creates the folder and its parents where missing.
/// @throws IoError if a file is in the way or the parent cannot be written.
void ensure_directory(const std::filesystem::path& path);

/// Removes temporary files that killed processes left in `folder` (not below it). Call it only
/// while no other process writes there. Returns how many were removed.
std::int64_t remove_stale_temporaries(const std::filesystem::path& folder);

}  // namespace conopa

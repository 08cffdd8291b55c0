#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace conopa::train {

/// Told what has just been done on disk; tests end the process there.
using FileTrace = std::function<void(std::string_view)>;

struct AtomicFolderOptions {
  FileTrace trace;
  bool exchange = true;  ///< false: as on a file system that cannot exchange two names
};

/// Writes a folder so that its name always shows either the old or the complete new content.
///
/// Files go to staging(), a hidden folder beside the target; commit() exchanges the two names in
/// one system call. Where the file system cannot exchange, the old folder is moved aside first and
/// recover_folders puts it back after a crash between the two renames. If commit() is not reached
/// the staging folder is removed and the old one stays. One writer per target.
class AtomicFolder {
 public:
  /// @throws IoError if the parent cannot be written.
  explicit AtomicFolder(std::filesystem::path target, AtomicFolderOptions options = {});
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where to write; its files must be durable (AtomicFile) before commit.
  [[nodiscard]] const std::filesystem::path& staging() const noexcept { return staging_; }

  /// Reports a step of the caller to the trace.
  void note(std::string_view step) const;

  /// @throws IoError if a rename or flush fails; the old folder is intact.
  void commit();

 private:
  void replace_without_exchange();

  std::filesystem::path target_;
  std::filesystem::path staging_;
  std::filesystem::path aside_;
  AtomicFolderOptions options_;
};

/// Removes what killed writers left in `parent` and completes interrupted replacements. Call it
/// while nobody writes there. A missing parent is fine.
/// @throws IoError if the folder cannot be changed.
void recover_folders(const std::filesystem::path& parent);

}  // namespace conopa::train

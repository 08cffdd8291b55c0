#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

namespace conopa::report {

/// A file that grows by whole records: each reaches the operating system before append returns,
/// and one that does not fit (disk full) is taken back, so that the file stays readable and can
/// grow on later. One writer per file. Not thread-safe.
class AppendFile {
 public:
  /// Opens a file at its end, creating it where missing.
  /// @throws IoError if it cannot be written.
  [[nodiscard]] static AppendFile open(const std::filesystem::path& path);

  /// Creates a file; nothing if the name is taken.
  /// @throws IoError if it cannot be created for another reason.
  [[nodiscard]] static std::optional<AppendFile> create(const std::filesystem::path& path);

  /// @throws IoError if the bytes cannot be written; the file then is as before.
  void append(std::string_view bytes);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  AppendFile(std::filesystem::path path, std::FILE* file);

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace conopa::report

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace conopa {

/// Bytes together with what keeps them alive.
struct SharedBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

/// A whole file as read-only memory; pages are read when touched.
///
/// Tensors that view it hold a shared pointer to it. The file must not be shortened while it is
/// mapped: files written through AtomicFile never are, because they are replaced, not changed.
/// Immutable, so safe to share between threads.
class MappedFile {
 public:
  /// Maps the file.
  /// @throws IoError if it is missing, unreadable or not a regular file.
  [[nodiscard]] static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  /// Wraps bytes that are already in memory; `name` stands for the path in messages.
  [[nodiscard]] static std::shared_ptr<const MappedFile> in_memory(std::string name,
                                                                   std::vector<std::byte> bytes);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::int64_t size() const noexcept {
    return static_cast<std::int64_t>(bytes_.size());
  }
  /// Path as given, for messages.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// `length` bytes from `offset`.
  /// @throws FormatError if they do not lie inside the file.
  [[nodiscard]] std::span<const std::byte> view(std::int64_t offset, std::int64_t length) const;

  /// Takes the whole pages among `bytes`, a part of bytes(), out of this process's memory; reading
  /// them again brings them back from the file. For readers of files larger than the memory.
  void drop_pages(std::span<const std::byte> bytes) const noexcept;

 private:
  explicit MappedFile(std::string name) : name_(std::move(name)) {}

  std::string name_;
  std::vector<std::byte> memory_;
  void* mapping_ = nullptr;
  std::span<const std::byte> bytes_;
};

/// Reads a whole text file (config, index, card).
/// @throws IoError if it is missing or unreadable, FormatError if it exceeds `limit` bytes.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path,
                                         std::int64_t limit = 64 << 20);

}  // namespace conopa

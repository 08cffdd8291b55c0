#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/atomic_file.h"

namespace conopa {

/// Writes a zip archive of uncompressed entries, atomically. Dates are left out, so that the bytes
/// depend on names and content alone.
class ZipWriter {
 public:
  /// Sizes and offsets from here on need the 64-bit fields of zip64.
  static constexpr std::uint64_t kNeeds64 = 0xFFFFFFFF;

  /// @param needs64  a smaller limit makes zip64 testable.
  explicit ZipWriter(const std::filesystem::path& path, std::uint64_t needs64 = kNeeds64);

  /// Appends an entry; its data starts at a multiple of 64 bytes, so that readers can map it.
  /// @throws IoError if the disk is full or fails.
  void add(std::string name, std::span<const std::byte> data);
  void add(std::string name, std::string_view text);

  /// Writes the directory and makes the file visible. Call once.
  void commit();

 private:
  struct Entry {
    std::string name;
    std::uint64_t offset;
    std::uint64_t size;
    std::uint32_t crc;
  };
  void write_directory_entry(const Entry& entry);
  void write_end(std::uint64_t begin, std::uint64_t size);

  AtomicFile file_;
  std::uint64_t needs64_;
  std::vector<Entry> entries_;
};

}  // namespace conopa

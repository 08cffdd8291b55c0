#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace conopa::testing {

/// Makes zip archives byte by byte, wrong ones too.
class ZipBuilder {
 public:
  /// An entry kept as it is; its data starts at a multiple of `alignment`, as torch.save does.
  ZipBuilder& stored(std::string name, std::string_view data, std::size_t alignment = 64);
  ZipBuilder& deflated(std::string name, std::string_view data);
  /// Deflated, but the directory tells another size.
  ZipBuilder& lying(std::string name, std::string_view data, std::uint64_t claimed_size);
  /// A stored entry of `size` zero bytes that write() leaves as a hole in the file (zip64).
  ZipBuilder& hole(std::string name, std::uint64_t size);

  /// The archive; only without holes.
  [[nodiscard]] std::string bytes() const;
  /// Writes the archive; holes take no disk space.
  void write(const std::filesystem::path& path) const;

 private:
  struct Entry {
    std::string name;
    std::uint64_t offset;
    std::uint64_t packed;
    std::uint64_t size;
    std::uint32_t crc;
    std::uint16_t method;
  };
  struct Piece {
    std::uint64_t offset;
    std::string data;
  };

  void add(std::string name, std::string_view packed, std::uint64_t packed_size, std::uint64_t size,
           std::uint32_t crc, std::uint16_t method, std::size_t alignment);
  [[nodiscard]] std::string directory() const;

  std::vector<Entry> entries_;
  std::vector<Piece> pieces_;
  std::uint64_t end_ = 0;
};

/// Raw deflate of the data (no zlib or gzip frame), or gzip.
[[nodiscard]] std::string deflate_raw(std::string_view data);
[[nodiscard]] std::string gzip(std::string_view data);

}  // namespace conopa::testing

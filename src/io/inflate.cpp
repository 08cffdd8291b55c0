#include "io/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "conopa/core/error.h"

namespace conopa {
namespace {

constexpr std::size_t kFirstChunk = 64 << 10;

/// Owns zlib's state and walks input of any size in pieces that zlib's counters can hold.
class Inflater {
 public:
  Inflater(std::span<const std::byte> bytes, DeflateFormat format, std::string_view where)
      : bytes_(bytes), where_(where) {
    const int window_bits = format == DeflateFormat::kGzip ? MAX_WBITS + 16 : -MAX_WBITS;
    if (::inflateInit2(&stream_, window_bits) != Z_OK) throw std::bad_alloc();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  /// Fills a part of `out`; returns the bytes made, which are fewer at the end of the stream.
  std::size_t fill(std::span<std::byte> out) {
    std::size_t made = 0;
    while (made < out.size() && !ended_) made += step(out.subspan(made));
    return made;
  }

  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] std::span<const std::byte> rest() const { return bytes_.subspan(used_); }

  /// Starts the next gzip member behind the one that ended.
  void next_member() {
    ::inflateReset(&stream_);
    ended_ = false;
  }

 private:
  std::size_t step(std::span<std::byte> out) {
    constexpr std::size_t kMax = std::numeric_limits<uInt>::max();
    const std::size_t in_size = std::min(kMax, bytes_.size() - used_);
    const std::size_t out_size = std::min(kMax, out.size());
    // zlib's interface lacks const; it does not write to its input.
    stream_.next_in =
        const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes_.data() + used_));  // NOLINT
    stream_.avail_in = static_cast<uInt>(in_size);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out_size);
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    used_ += in_size - stream_.avail_in;
    ended_ = status == Z_STREAM_END;
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status != Z_OK && status != Z_STREAM_END) {
      throw FormatError(where_,
                        "compressed data is {} at byte {}; the file is truncated or damaged, copy "
                        "or download it again",
                        status == Z_BUF_ERROR ? "cut off" : "malformed", used_);
    }
    return out_size - stream_.avail_out;
  }

  std::span<const std::byte> bytes_;
  std::string_view where_;
  z_stream stream_{};
  std::size_t used_ = 0;
  bool ended_ = false;
};

bool only_zeros(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

std::vector<std::byte> inflate_bytes(std::span<const std::byte> bytes, DeflateFormat format,
                                     std::int64_t limit, bool whole, std::string_view where) {
  Inflater inflater(bytes, format, where);
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>(limit, 0));
  std::vector<std::byte> out;
  for (;;) {
    // One byte beyond the limit tells "exactly full" from "too large".
    const std::size_t chunk = std::max(kFirstChunk, out.size());
    const std::size_t room = std::min(chunk, most - out.size() + (whole ? 1 : 0));
    const std::size_t before = out.size();
    out.resize(before + room);
    out.resize(before + inflater.fill(std::span(out).subspan(before)));
    if (out.size() > most) {
      throw FormatError(where,
                        "expected at most {} bytes when unpacked, found more; the file is "
                        "damaged or a decompression bomb",
                        limit);
    }
    if (!whole && (out.size() == most || inflater.ended())) return out;
    if (!inflater.ended()) continue;
    if (format == DeflateFormat::kGzip && !only_zeros(inflater.rest())) {
      inflater.next_member();
      continue;
    }
    if (format == DeflateFormat::kRaw && !inflater.rest().empty()) {
      throw FormatError(where, "{} bytes follow the compressed data; the file is damaged",
                        inflater.rest().size());
    }
    return out;
  }
}

}  // namespace conopa

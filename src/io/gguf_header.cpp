#include "io/gguf_header.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_set>

#include "conopa/core/error.h"
#include "conopa/core/utf8.h"
#include "io/printable.h"

namespace conopa {
namespace {

constexpr std::string_view kDamaged = "the GGUF file is damaged, copy or download it again";
constexpr int kMaxNesting = 4;
// What the shortest entry of each kind takes: bounds counts before anything is reserved.
constexpr std::size_t kMinEntryBytes = 8 + 4 + 1;
constexpr std::size_t kMinTensorBytes = 8 + 4 + 4 + 8;

std::uint64_t read_count(std::uint64_t count, std::size_t item_bytes, const ByteReader& reader,
                         std::string_view what) {
  if (count <= reader.remaining() / item_bytes) return count;
  throw FormatError(reader.where(), "expected at most {} {} in the {} bytes left, found {}; {}",
                    reader.remaining() / item_bytes, what, reader.remaining(), count, kDamaged);
}

std::string read_name(ByteReader& reader, std::string_view what) {
  const std::size_t at = reader.position();
  const auto length = reader.read<std::uint64_t>();
  if (length > kMaxGgufKey) {
    throw FormatError(reader.where(),
                      "expected a {} of at most {} bytes at offset {}, found {}; {}", what,
                      kMaxGgufKey, at, length, kDamaged);
  }
  const std::string_view text = reader.text(length);
  if (text.empty() || !is_utf8_text(text)) {
    throw FormatError(reader.where(), "expected a {} in UTF-8 at offset {}, found '{}'; {}", what,
                      at, printable(text), kDamaged);
  }
  return std::string(text);
}

GgufKind read_kind(ByteReader& reader, std::string_view key) {
  const auto kind = reader.read<std::uint32_t>();
  if (gguf_kind_name(kind)) return static_cast<GgufKind>(kind);
  throw FormatError(reader.where(), "expected a value type 0 to 12 for '{}', found {}; {}",
                    printable(key), kind, kDamaged);
}

/// Reads metadata values under one key, counting array items over the whole file.
class ValueReader {
 public:
  explicit ValueReader(ByteReader& reader) : reader_(reader) {}

  GgufValue read(GgufKind kind, std::string_view key, int depth = 0) {
    switch (kind) {
      case GgufKind::kU8:
        return integer<std::uint8_t>(kind);
      case GgufKind::kI8:
        return integer<std::int8_t>(kind);
      case GgufKind::kU16:
        return integer<std::uint16_t>(kind);
      case GgufKind::kI16:
        return integer<std::int16_t>(kind);
      case GgufKind::kU32:
        return integer<std::uint32_t>(kind);
      case GgufKind::kI32:
        return integer<std::int32_t>(kind);
      case GgufKind::kF32:
        return GgufValue::f32(reader_.read<float>());
      case GgufKind::kBool:
        return boolean(key);
      case GgufKind::kString:
        return GgufValue::string(std::string(reader_.text(reader_.read<std::uint64_t>())));
      case GgufKind::kArray:
        return array(key, depth);
      case GgufKind::kU64:
      case GgufKind::kI64:
        return GgufValue::integer(kind, reader_.read<std::uint64_t>());
      case GgufKind::kF64:
        return GgufValue::f64(reader_.read<double>());
    }
    CONOPA_ASSERT(false);
    return GgufValue::boolean(false);
  }

 private:
  template <typename T>
  GgufValue integer(GgufKind kind) {
    return GgufValue::integer(
        kind, static_cast<std::uint64_t>(static_cast<std::int64_t>(reader_.read<T>())));
  }

  GgufValue boolean(std::string_view key) {
    const auto byte = reader_.read<std::uint8_t>();
    if (byte <= 1) return GgufValue::boolean(byte == 1);
    throw FormatError(reader_.where(), "expected a boolean 0 or 1 for '{}', found {}; {}",
                      printable(key), byte, kDamaged);
  }

  GgufValue array(std::string_view key, int depth) {
    if (depth >= kMaxNesting) {
      throw FormatError(reader_.where(), "expected arrays nested at most {} deep in '{}'; {}",
                        kMaxNesting, printable(key), kDamaged);
    }
    const GgufKind element = read_kind(reader_, key);
    const std::int64_t bytes = gguf_kind_size(element);
    const std::size_t least = bytes > 0 ? static_cast<std::size_t>(bytes) : sizeof(std::uint64_t);
    const std::uint64_t count =
        read_count(reader_.read<std::uint64_t>(), least, reader_, "array items");
    if (count > static_cast<std::uint64_t>(kMaxGgufItems - items_)) {
      throw FormatError(reader_.where(),
                        "expected at most {} array items in the metadata, found more in '{}'; keep "
                        "large data in tensors",
                        kMaxGgufItems, printable(key));
    }
    items_ += static_cast<std::int64_t>(count);
    std::vector<GgufValue> items;
    items.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) items.push_back(read(element, key, depth + 1));
    return GgufValue::array(element, std::move(items));
  }

  ByteReader& reader_;
  std::int64_t items_ = 0;
};

void check_version(ByteReader& reader) {
  if (reader.text(std::min(reader.remaining(), kGgufMagic.size())) != kGgufMagic) {
    throw FormatError(reader.where(),
                      "expected a file that starts with GGUF; this is no GGUF file");
  }
  const auto version = reader.read<std::uint32_t>();
  if (version == 2 || version == 3) return;
  if (version != 0 && __builtin_bswap32(version) <= 3) {
    throw UnsupportedError(reader.where(),
                           "expected a little-endian GGUF file, found a big-endian one; convert it "
                           "again for this machine");
  }
  throw UnsupportedError(reader.where(),
                         "expected GGUF version 2 or 3, found {}; convert it with current tools",
                         version);
}

void read_entries(ByteReader& reader, std::uint64_t count, GgufEntries& entries) {
  std::unordered_set<std::string> keys;
  ValueReader values(reader);
  entries.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = read_name(reader, "metadata key");
    if (!keys.insert(key).second) {
      throw FormatError(reader.where(), "metadata key '{}' occurs twice; {}", printable(key),
                        kDamaged);
    }
    const GgufKind kind = read_kind(reader, key);
    GgufValue value = values.read(kind, key);
    entries.emplace_back(std::move(key), std::move(value));
  }
}

GgufTensorEntry read_tensor(ByteReader& reader) {
  GgufTensorEntry out;
  out.name = read_name(reader, "tensor name");
  const auto dims = reader.read<std::uint32_t>();
  if (dims > kMaxGgufDims) {
    throw FormatError(reader.where(), "expected at most {} dimensions of '{}', found {}; {}",
                      kMaxGgufDims, printable(out.name), dims, kDamaged);
  }
  for (std::uint32_t i = 0; i < dims; ++i) {
    const auto size = reader.read<std::uint64_t>();
    if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      throw FormatError(reader.where(), "a dimension of '{}' overflows: {}; {}",
                        printable(out.name), size, kDamaged);
    }
    out.shape.insert(out.shape.begin(), static_cast<std::int64_t>(size));  // innermost first
  }
  out.type = reader.read<std::uint32_t>();
  out.offset = reader.read<std::uint64_t>();
  return out;
}

std::int64_t alignment_of(const GgufEntries& entries, std::string_view where) {
  for (const auto& [key, value] : entries) {
    if (key != kGgufAlignmentKey) continue;
    const std::optional<std::int64_t> alignment = value.as_int();
    if (value.kind() == GgufKind::kU32 && *alignment > 0 &&
        std::has_single_bit(static_cast<std::uint64_t>(*alignment))) {
      return *alignment;
    }
    throw FormatError(where, "expected {} to be a power of two as u32, found {}; {}", key,
                      printable(value.describe()), kDamaged);
  }
  return kGgufAlignment;
}

}  // namespace

GgufHeader read_gguf_header(ByteReader& reader) {
  check_version(reader);
  GgufHeader header;
  const auto tensors = reader.read<std::uint64_t>();
  const std::uint64_t entries =
      read_count(reader.read<std::uint64_t>(), kMinEntryBytes, reader, "metadata entries");
  read_entries(reader, entries, header.entries);
  header.alignment = alignment_of(header.entries, reader.where());
  static_cast<void>(read_count(tensors, kMinTensorBytes, reader, "tensors"));
  header.tensors.reserve(static_cast<std::size_t>(tensors));
  for (std::uint64_t i = 0; i < tensors; ++i) header.tensors.push_back(read_tensor(reader));
  return header;
}

}  // namespace conopa

#include "conopa/core/error.h"
#include "io/byte_reader.h"
#include "io/printable.h"
#include "io/pth_storages.h"

namespace conopa::detail {
namespace {

/// 0x1950a86a20f9469cfc6c, the first pickled value, as little-endian bytes.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::int64_t kProtocolVersion = 1001;

struct Extent {
  std::int64_t offset;
  std::int64_t length;
};
using Extents = std::unordered_map<std::string, Extent>;

class LegacyStorages : public PthStorages {
 public:
  LegacyStorages(std::shared_ptr<const MappedFile> file, Extents extents)
      : file_(std::move(file)), extents_(std::move(extents)) {}

  [[nodiscard]] std::optional<std::int64_t> size(const std::string& key) const override {
    const auto found = extents_.find(key);
    if (found == extents_.end()) return std::nullopt;
    return found->second.length;
  }
  [[nodiscard]] SharedBytes read(const std::string& key) const override {
    const Extent& extent = extents_.at(key);
    return {file_->view(extent.offset, extent.length), file_};
  }
  void release(const std::string& key) const noexcept override {
    const auto found = extents_.find(key);
    if (found == extents_.end()) return;
    file_->drop_pages(file_->bytes().subspan(static_cast<std::size_t>(found->second.offset),
                                             static_cast<std::size_t>(found->second.length)));
  }
  [[nodiscard]] bool is_legacy() const noexcept override { return true; }

 private:
  std::shared_ptr<const MappedFile> file_;
  Extents extents_;
};

/// Reads the pickle at the reader's position and moves behind it.
PickleValue next_pickle(ByteReader& reader, std::span<const std::byte> bytes) {
  const ParsedPickle parsed = parse_pickle(bytes.subspan(reader.position()), reader.where());
  reader.skip(static_cast<std::uint64_t>(parsed.consumed));
  return parsed.root;
}

void check_preamble(ByteReader& reader, std::span<const std::byte> bytes) {
  const PickleValue magic = next_pickle(reader, bytes);
  if (!magic.is(PickleKind::kBigInt) || magic.text() != kMagic) {
    throw FormatError(reader.where(),
                      "expected a PyTorch checkpoint, found another pickle ({}); convert it with "
                      "torch.save or to safetensors",
                      magic.describe());
  }
  const PickleValue version = next_pickle(reader, bytes);
  if (version.as_int() != kProtocolVersion) {
    throw UnsupportedError(reader.where(),
                           "checkpoint version {} is not {}; save it again with a "
                           "newer PyTorch",
                           version.describe(), kProtocolVersion);
  }
  const PickleValue system = next_pickle(reader, bytes);
  const auto little = system.find("little_endian");
  if (little && little->as_bool() == false) {
    throw UnsupportedError(reader.where(),
                           "the checkpoint was saved on a big-endian machine; save "
                           "it again on a little-endian one");
  }
}

/// Bytes per element of every storage that the tree mentions.
std::unordered_map<std::string, std::int64_t> element_sizes(const PickleValue& root,
                                                            std::string_view where) {
  std::unordered_map<std::string, std::int64_t> sizes;
  for (const PickleValue& value : root.all_of_kind(PickleKind::kPersistent)) {
    const auto storage = parse_storage(value, where);
    if (storage && storage->type.bytes) sizes.emplace(storage->key, *storage->type.bytes);
  }
  return sizes;
}

std::string key_text(const PickleValue& key, std::string_view where) {
  if (const auto text = key.as_string()) return std::string(*text);
  if (const auto number = key.as_int()) return std::to_string(*number);
  throw FormatError(where, "storage key {} is malformed; the checkpoint is damaged",
                    key.describe());
}

}  // namespace

PthContent open_legacy_pth(std::shared_ptr<const MappedFile> file) {
  const std::span<const std::byte> bytes = file->bytes();
  const std::string where = file->name();
  ByteReader reader(bytes, where);
  check_preamble(reader, bytes);
  PickleValue root = next_pickle(reader, bytes);
  const PickleValue keys = next_pickle(reader, bytes);
  if (!keys.is(PickleKind::kList) && !keys.is(PickleKind::kTuple)) {
    throw FormatError(where, "expected a list of storage keys, found {}; the checkpoint is damaged",
                      keys.describe());
  }
  const auto sizes = element_sizes(root, where);
  Extents extents;
  for (std::int64_t i = 0; i < keys.size(); ++i) {
    const std::string key = key_text(keys[i], where);
    const auto size = sizes.find(key);
    if (size == sizes.end()) {
      throw FormatError(where,
                        "storage '{}' has an unknown element type; the checkpoint is damaged",
                        printable(key));
    }
    const auto numel = reader.read<std::int64_t>();
    std::int64_t length = 0;
    if (numel < 0 || __builtin_mul_overflow(numel, size->second, &length)) {
      throw FormatError(where, "storage '{}' claims {} elements; the checkpoint is damaged",
                        printable(key), numel);
    }
    extents[key] = {static_cast<std::int64_t>(reader.position()), length};
    reader.skip(static_cast<std::uint64_t>(length));
  }
  return {std::move(root), std::make_unique<LegacyStorages>(std::move(file), std::move(extents))};
}

}  // namespace conopa::detail

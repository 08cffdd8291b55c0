#include <algorithm>

#include "conopa/core/error.h"
#include "io/pth_storages.h"

namespace conopa::detail {
namespace {

constexpr std::string_view kPickleEntry = "data.pkl";
constexpr std::int64_t kMaxPickleBytes = std::int64_t{512} << 20;

class ZipStorages : public PthStorages {
 public:
  ZipStorages(std::unique_ptr<ZipReader> zip, std::string folder)
      : zip_(std::move(zip)), folder_(std::move(folder)) {}

  [[nodiscard]] std::optional<std::int64_t> size(const std::string& key) const override {
    const ZipEntry* entry = find(key);
    if (entry == nullptr) return std::nullopt;
    return entry->size;
  }
  [[nodiscard]] SharedBytes read(const std::string& key) const override {
    return zip_->read(*find(key));
  }
  void release(const std::string& key) const noexcept override {
    if (const ZipEntry* entry = find(key)) zip_->release(*entry);
  }
  [[nodiscard]] bool is_legacy() const noexcept override { return false; }

 private:
  [[nodiscard]] const ZipEntry* find(const std::string& key) const {
    return zip_->find(folder_ + "data/" + key);
  }

  std::unique_ptr<ZipReader> zip_;
  std::string folder_;
};

std::string_view as_text(const SharedBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.bytes.data()), bytes.bytes.size()};
}

/// "archive/" of "archive/data.pkl"; the entry itself is the result's second half.
const ZipEntry& find_pickle(const ZipReader& zip, const std::string& where) {
  const auto& entries = zip.entries();
  const auto found = std::find_if(entries.begin(), entries.end(), [](const ZipEntry& entry) {
    return entry.name == kPickleEntry || entry.name.ends_with("/data.pkl");
  });
  if (found == entries.end()) {
    throw FormatError(where,
                      "expected an archive with data.pkl as torch.save writes it, found {} "
                      "other entries; this is no PyTorch checkpoint",
                      entries.size());
  }
  return *found;
}

}  // namespace

PthContent open_zip_pth(std::shared_ptr<const MappedFile> file) {
  const std::string where = file->name();
  auto zip = std::make_unique<ZipReader>(std::move(file));
  const ZipEntry& pickle = find_pickle(*zip, where);
  std::string folder = pickle.name.substr(0, pickle.name.size() - kPickleEntry.size());
  const ZipEntry* byte_order = zip->find(folder + "byteorder");
  if (byte_order != nullptr && as_text(zip->read_prefix(*byte_order, 8)).starts_with("big")) {
    throw UnsupportedError(where,
                           "the checkpoint was saved on a big-endian machine; save it again "
                           "on a little-endian one");
  }
  const SharedBytes bytes = zip->read(pickle, kMaxPickleBytes);
  ParsedPickle parsed = parse_pickle(bytes.bytes, where);
  return {std::move(parsed.root), std::make_unique<ZipStorages>(std::move(zip), std::move(folder))};
}

}  // namespace conopa::detail

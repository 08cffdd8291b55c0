#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "conopa/io/pth.h"
#include "tests/io/pickle_builder.h"
#include "tests/io/temp_dir.h"
#include "tests/io/zip_builder.h"

namespace conopa::testing {

inline std::unique_ptr<PthFile> open_bytes(std::string_view bytes, const PthOptions& options = {}) {
  return PthFile::from(MappedFile::in_memory("test.pth", to_bytes(bytes)), options);
}

/// A zip checkpoint of a pickle and storages {key, bytes}.
inline ZipBuilder zip_checkpoint(
    std::string_view pickle, std::initializer_list<std::pair<std::string, std::string>> storages) {
  ZipBuilder zip;
  zip.stored("archive/data.pkl", pickle);
  for (const auto& [key, bytes] : storages) zip.stored("archive/data/" + key, bytes);
  zip.stored("archive/version", "3\n");
  return zip;
}

/// A legacy checkpoint; storages are {key, element size, bytes}.
struct LegacyStorage {
  std::string key;
  std::int64_t element_size;
  std::string bytes;
};
inline std::string legacy_checkpoint(std::string_view pickle,
                                     const std::vector<LegacyStorage>& storages,
                                     bool little_endian = true) {
  using namespace std::string_literals;
  std::string out =
      "\x80\x02\x8A\x0Al\xFC\x9C"
      "F\xF9 j\xA8P\x19."s;      // the magic number
  out += "\x80\x02M\xE9\x03."s;  // protocol 1001
  out += PickleBuilder()
             .proto()
             .dict()
             .string("little_endian")
             .boolean(little_endian)
             .set_item()
             .stop();
  out += pickle;
  PickleBuilder keys;
  keys.proto().list();
  for (const LegacyStorage& storage : storages) keys.string(storage.key).append();
  out += keys.stop();
  for (const LegacyStorage& storage : storages) {
    const auto size = static_cast<std::int64_t>(storage.bytes.size());
    out += raw<std::int64_t>({size / storage.element_size}) + storage.bytes;
  }
  return out;
}

}  // namespace conopa::testing

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_set>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/safetensors.h"
#include "io/safetensors_header.h"

namespace conopa {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kDataAlignment = 8;

/// Large elements first, then by name: every tensor is then aligned to its element size.
std::vector<const NamedTensor*> file_order(std::span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> order;
  order.reserve(tensors.size());
  for (const NamedTensor& named : tensors) order.push_back(&named);
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    const std::int64_t size_a = -dtype_size(a->tensor.dtype());
    const std::int64_t size_b = -dtype_size(b->tensor.dtype());
    return std::tie(size_a, a->name) < std::tie(size_b, b->name);
  });
  return order;
}

/// The JSON header, padded with spaces so that the data after it is aligned.
std::string header_text(const std::vector<const NamedTensor*>& order, const Metadata& metadata,
                        const std::string& where) {
  std::string text = "{";
  const auto append = [&text](std::string_view key, const Json& value) {
    if (text.size() > 1) text += ',';
    text += Json(key).dump() + ':' + value.dump();
  };
  std::unordered_set<std::string_view> names{kMetadataKey};
  std::int64_t offset = 0;
  try {
    if (!metadata.empty()) append(kMetadataKey, metadata);
    for (const NamedTensor* named : order) {
      if (!names.insert(named->name).second) {
        throw FormatError(where, "tensor name '{}' is reserved or used twice; rename it",
                          named->name);
      }
      const auto end = offset + static_cast<std::int64_t>(named->tensor.bytes().size());
      append(named->name, {{"dtype", dtype_name(named->tensor.dtype())},
                           {"shape", named->tensor.shape()},
                           {"data_offsets", {offset, end}}});
      offset = end;
    }
  } catch (const Json::type_error&) {
    throw FormatError(where, "tensor names and metadata must be valid UTF-8; rename them");
  }
  text += '}';
  text.resize((text.size() + kDataAlignment - 1) / kDataAlignment * kDataAlignment, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata) {
  const std::vector<const NamedTensor*> order = file_order(tensors);
  const std::string header = header_text(order, metadata, path.string());
  if (static_cast<std::int64_t>(header.size()) > kMaxHeaderBytes) {
    throw FormatError(path.string(), "the header of {} tensors exceeds {} bytes; write shards",
                      tensors.size(), kMaxHeaderBytes);
  }
  AtomicFile file(path);
  const std::uint64_t size = header.size();
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(header);
  for (const NamedTensor* named : order) file.write(named->tensor.bytes());
  file.commit();
}

}  // namespace conopa

#include "conopa/io/sharded.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/mapped_file.h"
#include "conopa/io/safetensors.h"
#include "io/io_fault.h"
#include "io/open_stored.h"
#include "io/printable.h"

namespace conopa {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxIndexBytes = 100'000'000;

Json parse_index(const std::filesystem::path& path) {
  Json index = Json::parse(read_text_file(path, kMaxIndexBytes), nullptr, false);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw FormatError(path.string(),
                      "expected JSON with an object 'weight_map', found something "
                      "else; the index is damaged, download it again");
  }
  return index;
}

/// A shard must be a plain file name, so that an index cannot reach out of its folder.
void check_shard_name(const std::string& name, const std::string& where) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain) {
    throw FormatError(where, "shard name '{}' leads out of the folder; expected a plain file name",
                      printable(name));
  }
}

Metadata read_metadata(const Json& index) {
  Metadata metadata;
  if (!index.contains("metadata") || !index["metadata"].is_object()) return metadata;
  for (const auto& [key, value] : index["metadata"].items()) {
    metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return metadata;
}

std::unique_ptr<TensorSource> open_shard(const std::filesystem::path& index,
                                         const std::string& name) {
  const std::filesystem::path path = index.parent_path() / name;
  if (!path_exists(path)) {
    throw IoError(index.string(), "expected shard '{}' beside the index, found none; download it",
                  printable(name));
  }
  if (recognise_checkpoint(*MappedFile::open(path)) == CheckpointKind::kShardIndex) {
    throw FormatError(index.string(), "shard '{}' is itself an index; the index is damaged",
                      printable(name));
  }
  return open_stored(path);
}

}  // namespace

std::unique_ptr<ShardedCheckpoint> ShardedCheckpoint::open(const std::filesystem::path& index) {
  const Json json = parse_index(index);
  std::unique_ptr<ShardedCheckpoint> out(new ShardedCheckpoint(index.string()));
  out->set_metadata(read_metadata(json));
  std::map<std::string, std::size_t> position;
  for (const auto& [name, file] : json["weight_map"].items()) {
    if (!file.is_string()) {
      throw FormatError(out->where(), "expected a file name for tensor '{}'; the index is damaged",
                        printable(name));
    }
    const auto& shard_name = file.get_ref<const std::string&>();
    check_shard_name(shard_name, out->where());
    const auto [place, inserted] = position.emplace(shard_name, out->shards_.size());
    if (inserted) out->shards_.push_back(open_shard(index, shard_name));
    const TensorSource& shard = *out->shards_[place->second];
    out->add(name, shard.info(name));
    out->shard_of_.push_back(place->second);
  }
  for (const auto& [name, unused] : position) out->shard_names_.push_back(name);
  return out;
}

void ShardedCheckpoint::release(std::string_view name) const noexcept {
  if (const auto index = find_index(name)) shards_[shard_of_[*index]]->release(name);
}

HostTensor ShardedCheckpoint::load(std::size_t index) const {
  return shards_[shard_of_[index]]->read(names()[index]);
}

namespace {

/// Cuts a list of tensors of these sizes so that no part exceeds the limit, except for single large
/// tensors: the first index of every part, and the end.
std::vector<std::size_t> cut(const std::vector<std::int64_t>& sizes, std::int64_t limit) {
  std::vector<std::size_t> begins{0};
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (i > begins.back() && bytes + sizes[i] > limit) {
      begins.push_back(i);
      bytes = 0;
    }
    bytes += sizes[i];
  }
  begins.push_back(sizes.size());
  return begins;
}

/// Writes parts of a list of tensors and the index of the parts.
/// @param write  called with the path of a file and the range of tensors in it.
template <typename Write>
void write_parts(const std::filesystem::path& folder, const std::vector<std::string>& names,
                 const std::vector<std::int64_t>& sizes, const Metadata& metadata,
                 std::int64_t max_shard_bytes, Write write) {
  const std::vector<std::size_t> begins = cut(sizes, max_shard_bytes);
  const std::size_t parts = begins.size() - 1;
  if (parts == 1) return write(folder / "model.safetensors", 0, names.size());
  Json weight_map = Json::object();
  for (std::size_t part = 0; part < parts; ++part) {
    const std::string file = fmt::format("model-{:05}-of-{:05}.safetensors", part + 1, parts);
    for (std::size_t i = begins[part]; i < begins[part + 1]; ++i) {
      if (!weight_map.emplace(names[i], file).second) {
        throw FormatError(folder.string(), "tensor name '{}' is used twice; rename it",
                          printable(names[i]));
      }
    }
    write(folder / file, begins[part], begins[part + 1] - begins[part]);
  }
  const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", std::move(weight_map)}};
  for (const auto& [key, value] : metadata) index["metadata"].emplace(key, value);
  write_file_atomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace

void write_sharded(const std::filesystem::path& folder, std::span<const NamedTensor> tensors,
                   const Metadata& metadata, std::int64_t max_shard_bytes) {
  std::vector<std::string> names;
  std::vector<std::int64_t> sizes;
  for (const NamedTensor& named : tensors) {
    names.push_back(named.name);
    sizes.push_back(static_cast<std::int64_t>(named.tensor.bytes().size()));
  }
  write_parts(folder, names, sizes, metadata, max_shard_bytes,
              [&](const std::filesystem::path& path, std::size_t begin, std::size_t count) {
                write_safetensors(path, tensors.subspan(begin, count), metadata);
              });
}

void write_sharded(const std::filesystem::path& folder, const TensorSource& source,
                   const Metadata& metadata, std::int64_t max_shard_bytes) {
  const std::vector<std::string>& names = source.names();
  std::vector<std::int64_t> sizes;
  for (const std::string& name : names) {
    const TensorInfo& info = source.info(name);
    sizes.push_back(element_count(info.shape) * dtype_size(info.dtype.value_or(DType::kF32)));
  }
  write_parts(folder, names, sizes, metadata, max_shard_bytes,
              [&](const std::filesystem::path& path, std::size_t begin, std::size_t count) {
                write_safetensors(path, source, std::span(names).subspan(begin, count), metadata);
              });
}

}  // namespace conopa

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "conopa/io/tensor_source.h"

namespace conopa {

/// A checkpoint in several files, joined by an index (`model.safetensors.index.json`,
/// `pytorch_model.bin.index.json`).
class ShardedCheckpoint : public TensorSource {
 public:
  /// Opens the index and the headers of every shard beside it.
  /// @throws FormatError if the index is damaged, names a file outside its folder, or lists a
  /// tensor that its shard lacks; IoError naming the shard that is missing.
  [[nodiscard]] static std::unique_ptr<ShardedCheckpoint> open(const std::filesystem::path& index);

  /// File names of the shards, sorted.
  [[nodiscard]] const std::vector<std::string>& shard_names() const noexcept {
    return shard_names_;
  }

  void release(std::string_view name) const noexcept override;

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  explicit ShardedCheckpoint(std::string where) : TensorSource(std::move(where)) {}

  std::vector<std::string> shard_names_;
  std::vector<std::unique_ptr<TensorSource>> shards_;
  std::vector<std::size_t> shard_of_;
};

/// Default size of one shard: 5 GB, the hub's convention.
inline constexpr std::int64_t kDefaultShardBytes = 5'000'000'000;

/// Writes `model.safetensors` into `folder`, or `model-00001-of-0000N.safetensors` files and their
/// index when the tensors exceed `max_shard_bytes`. Tensors keep their given order across shards;
/// one larger than the limit gets a shard of its own. Each file is written atomically, the index
/// last.
/// @throws FormatError on duplicate names, IoError if a file cannot be written.
void write_sharded(const std::filesystem::path& folder, std::span<const NamedTensor> tensors,
                   const Metadata& metadata = {},
                   std::int64_t max_shard_bytes = kDefaultShardBytes);

/// The same files from a source, see write_safetensors: the memory of the largest tensor is needed.
void write_sharded(const std::filesystem::path& folder, const TensorSource& source,
                   const Metadata& metadata = {},
                   std::int64_t max_shard_bytes = kDefaultShardBytes);

}  // namespace conopa

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

/// What the header says about a tensor.
struct Piece {
  std::string_view name;
  DType dtype = DType::kF32;
  const Shape* shape = nullptr;
  std::int64_t bytes = 0;
  std::size_t index = 0;  ///< in the caller's list
};

/// Large elements first, then by name: every tensor is then aligned to its element size.
void sort_for_file(std::vector<Piece>& pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    const std::int64_t size_a = -dtype_size(a.dtype);
    const std::int64_t size_b = -dtype_size(b.dtype);
    return std::tie(size_a, a.name) < std::tie(size_b, b.name);
  });
}

/// The JSON header, padded with spaces so that the data after it is aligned.
std::string header_text(const std::vector<Piece>& pieces, const Metadata& metadata,
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
    for (const Piece& piece : pieces) {
      if (!names.insert(piece.name).second) {
        throw FormatError(where, "tensor name '{}' is reserved or used twice; rename it",
                          piece.name);
      }
      const std::int64_t end = offset + piece.bytes;
      append(piece.name, {{"dtype", dtype_name(piece.dtype)},
                          {"shape", *piece.shape},
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

/// Writes the header and then every piece's bytes.
template <typename WriteBytes>
void write_pieces(const std::filesystem::path& path, std::vector<Piece> pieces,
                  const Metadata& metadata, WriteBytes write_bytes) {
  sort_for_file(pieces);
  const std::string header = header_text(pieces, metadata, path.string());
  if (static_cast<std::int64_t>(header.size()) > kMaxHeaderBytes) {
    throw FormatError(path.string(), "the header of {} tensors exceeds {} bytes; write shards",
                      pieces.size(), kMaxHeaderBytes);
  }
  AtomicFile file(path);
  const std::uint64_t size = header.size();
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(header);
  for (const Piece& piece : pieces) write_bytes(file, piece);
  file.commit();
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata) {
  std::vector<Piece> pieces;
  for (const NamedTensor& named : tensors) {
    pieces.push_back({named.name, named.tensor.dtype(), &named.tensor.shape(),
                      static_cast<std::int64_t>(named.tensor.bytes().size()), pieces.size()});
  }
  write_pieces(path, std::move(pieces), metadata, [&](AtomicFile& file, const Piece& piece) {
    file.write(tensors[piece.index].tensor.bytes());
  });
}

void write_safetensors(const std::filesystem::path& path, const TensorSource& source,
                       std::span<const std::string> names, const Metadata& metadata) {
  std::vector<Piece> pieces;
  for (const std::string& name : names) {
    const TensorInfo& info = source.info(name);
    if (!info.dtype) static_cast<void>(source.read(name));  // throws
    pieces.push_back({name, *info.dtype, &info.shape,
                      element_count(info.shape) * dtype_size(*info.dtype), pieces.size()});
  }
  write_pieces(path, std::move(pieces), metadata, [&](AtomicFile& file, const Piece& piece) {
    file.write(source.read(piece.name).bytes());
    source.release(piece.name);
  });
}

}  // namespace conopa

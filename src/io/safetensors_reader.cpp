#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"
#include "io/byte_reader.h"
#include "io/safetensors_header.h"
#include "io/strided.h"

namespace conopa {

std::unique_ptr<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  return from(MappedFile::open(path));
}

std::unique_ptr<SafetensorsFile> SafetensorsFile::from(std::shared_ptr<const MappedFile> file) {
  return std::unique_ptr<SafetensorsFile>(new SafetensorsFile(std::move(file)));
}

SafetensorsFile::SafetensorsFile(std::shared_ptr<const MappedFile> file)
    : TensorSource(file->name()), file_(std::move(file)) {
  ByteReader reader(file_->bytes(), where());
  const auto header_bytes = reader.read<std::uint64_t>();
  if (header_bytes > static_cast<std::uint64_t>(kMaxHeaderBytes)) {
    throw FormatError(where(),
                      "expected a header of at most {} bytes, found {}; this is no safetensors "
                      "file, or it is damaged",
                      kMaxHeaderBytes, header_bytes);
  }
  const std::string_view text = reader.text(header_bytes);
  const auto data_begin = static_cast<std::int64_t>(reader.position());
  SafetensorsHeader header =
      parse_safetensors_header(text, static_cast<std::int64_t>(reader.remaining()), where());
  set_metadata(std::move(header.metadata));
  ranges_.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    ranges_.push_back({data_begin + entry.begin, entry.end - entry.begin});
    add(std::move(entry.name), std::move(entry.info));
  }
}

void SafetensorsFile::release(std::string_view name) const noexcept {
  const std::optional<std::size_t> index = find_index(name);
  if (!index) return;
  const Range& range = ranges_[*index];
  file_->drop_pages(file_->bytes().subspan(static_cast<std::size_t>(range.begin),
                                           static_cast<std::size_t>(range.length)));
}

HostTensor SafetensorsFile::load(std::size_t index) const {
  const Range& range = ranges_[index];
  const TensorInfo& info = info_at(index);
  return view_or_copy(*info.dtype, info.shape, {file_->view(range.begin, range.length), file_});
}

}  // namespace conopa

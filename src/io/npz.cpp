#include "conopa/io/npz.h"

#include <algorithm>

#include "conopa/core/error.h"
#include "io/npy_header.h"
#include "io/printable.h"
#include "io/strided.h"

namespace conopa {
namespace {

constexpr std::string_view kSuffix = ".npy";

bool is_zip(const MappedFile& file) {
  const auto bytes = file.bytes();
  return bytes.size() >= 2 && bytes[0] == std::byte{'P'} && bytes[1] == std::byte{'K'};
}

}  // namespace

std::unique_ptr<NumpyFile> NumpyFile::open(const std::filesystem::path& path) {
  return from(MappedFile::open(path));
}

std::unique_ptr<NumpyFile> NumpyFile::from(std::shared_ptr<const MappedFile> file) {
  return std::unique_ptr<NumpyFile>(new NumpyFile(std::move(file)));
}

NumpyFile::NumpyFile(std::shared_ptr<const MappedFile> file)
    : TensorSource(file->name()), file_(std::move(file)) {
  if (!is_zip(*file_)) {
    const std::int64_t head = std::min(kMaxNpyHeader, file_->size());
    add_array("array", {file_->view(0, head), file_}, file_->size(), nullptr);
    return;
  }
  zip_ = std::make_unique<ZipReader>(file_);
  for (const ZipEntry& entry : zip_->entries()) {
    if (!entry.name.ends_with(kSuffix)) continue;
    add_array(entry.name.substr(0, entry.name.size() - kSuffix.size()),
              zip_->read_prefix(entry, kMaxNpyHeader), entry.size, &entry);
  }
}

void NumpyFile::add_array(std::string name, const SharedBytes& head, std::int64_t size,
                          const ZipEntry* entry) {
  NpyHeader header = parse_npy_header(head.bytes, where());
  std::int64_t bytes = header.element_bytes;
  bool fits = true;
  for (const std::int64_t dim : header.info.shape) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) fits = false;
  }
  if (header.info.dtype && (!fits || bytes != size - header.data_offset)) {
    throw FormatError(where(),
                      "array '{}' of shape {} and type {} does not fit its {} bytes; the "
                      "file is truncated or damaged, copy or download it again",
                      printable(name), to_string(header.info.shape), header.info.dtype_name,
                      size - header.data_offset);
  }
  arrays_.push_back({entry, header.data_offset, header.fortran_order});
  add(std::move(name), std::move(header.info));
}

HostTensor NumpyFile::load(std::size_t index) const {
  const Array& array = arrays_[index];
  const TensorInfo& info = info_at(index);
  SharedBytes all{file_->bytes(), file_};
  if (array.entry != nullptr) all = zip_->read(*array.entry);
  const SharedBytes data{all.bytes.subspan(static_cast<std::size_t>(array.data_offset)), all.owner};
  if (!array.fortran_order) return view_or_copy(*info.dtype, info.shape, data);
  return make_dense(*info.dtype, {info.shape, column_major_strides(info.shape), 0}, data);
}

}  // namespace conopa

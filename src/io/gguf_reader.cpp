#include <algorithm>
#include <optional>

#include "conopa/core/error.h"
#include "conopa/io/gguf.h"
#include "io/byte_reader.h"
#include "io/gguf_header.h"
#include "io/printable.h"
#include "io/strided.h"

namespace conopa {
namespace {

constexpr std::string_view kDamaged = "the GGUF file is damaged, copy or download it again";

/// The quantised form of a block type; nothing for those that cannot be read.
std::optional<QuantForm> form_of(const GgufType* type) {
  if (type == nullptr || type->dtype) return std::nullopt;
  if (type->name == "Q8_0") return QuantForm::kQ8_0;
  if (type->name == "Q4_0") return QuantForm::kQ4_0;
  return std::nullopt;
}

/// Bytes of a tensor; nothing if its rows are no whole blocks or the number overflows.
std::optional<std::int64_t> byte_count(const GgufType& type, const Shape& shape) {
  const std::int64_t inner = shape.empty() ? 1 : shape.back();
  if (inner % type.block != 0) return std::nullopt;
  std::int64_t bytes = type.bytes;
  if (__builtin_mul_overflow(bytes, inner / type.block, &bytes)) return std::nullopt;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) {
    if (__builtin_mul_overflow(bytes, shape[i], &bytes)) return std::nullopt;
  }
  return bytes;
}

TensorInfo describe(const GgufTensorEntry& entry, const GgufType* type) {
  if (type == nullptr) return {std::nullopt, fmt::format("type {}", entry.type), entry.shape};
  TensorInfo info{type->dtype, std::string(type->name), entry.shape};
  if (form_of(type)) info.dtype = DType::kF32;  // when read
  return info;
}

}  // namespace

GgufFile::Range GgufFile::range_of(const GgufTensorEntry& entry, const GgufType* type,
                                   const GgufHeader& header, std::int64_t data_begin) const {
  const std::int64_t data_bytes = file_->size() - data_begin;
  if (entry.offset % static_cast<std::uint64_t>(header.alignment) != 0) {
    throw FormatError(where(), "expected tensor '{}' at a multiple of {} bytes, found {}; {}",
                      printable(entry.name), header.alignment, entry.offset, kDamaged);
  }
  // The size of an unknown type is unknown too: it is listed, and cannot be read.
  const std::optional<std::int64_t> bytes = type == nullptr ? 0 : byte_count(*type, entry.shape);
  if (!bytes) {
    throw FormatError(where(), "tensor '{}' of shape {} cannot be of type {}; {}",
                      printable(entry.name), to_string(entry.shape), type->name, kDamaged);
  }
  if (entry.offset > static_cast<std::uint64_t>(data_bytes) ||
      *bytes > data_bytes - static_cast<std::int64_t>(entry.offset)) {
    throw FormatError(where(),
                      "expected {} bytes of tensor '{}' at {} of the data, found {} bytes in all; "
                      "the file is truncated or damaged, copy or download it again",
                      *bytes, printable(entry.name), entry.offset, data_bytes);
  }
  return {data_begin + static_cast<std::int64_t>(entry.offset), *bytes};
}

void GgufFile::add_tensors(const GgufHeader& header, std::int64_t data_begin) {
  ranges_.reserve(header.tensors.size());
  forms_.reserve(header.tensors.size());
  for (const GgufTensorEntry& entry : header.tensors) {
    const GgufType* type = find_gguf_type(entry.type);
    ranges_.push_back(range_of(entry, type, header, data_begin));
    forms_.push_back(form_of(type));
    add(entry.name, describe(entry, type));
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    if (ranges_[i].length > 0) order.push_back(i);
  }
  std::ranges::sort(order, {}, [this](std::size_t i) { return ranges_[i].begin; });
  for (std::size_t k = 1; k < order.size(); ++k) {
    const Range& before = ranges_[order[k - 1]];
    if (before.begin + before.length <= ranges_[order[k]].begin) continue;
    throw FormatError(where(), "tensors '{}' and '{}' overlap; {}",
                      printable(names()[order[k - 1]]), printable(names()[order[k]]), kDamaged);
  }
}

std::unique_ptr<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  return from(MappedFile::open(path));
}

std::unique_ptr<GgufFile> GgufFile::from(std::shared_ptr<const MappedFile> file) {
  return std::unique_ptr<GgufFile>(new GgufFile(std::move(file)));
}

GgufFile::GgufFile(std::shared_ptr<const MappedFile> file)
    : TensorSource(file->name()), file_(std::move(file)) {
  ByteReader reader(file_->bytes(), where());
  GgufHeader header = read_gguf_header(reader);
  // The padding is absent where no data follows.
  const std::int64_t data_begin = std::min(
      gguf_aligned(static_cast<std::int64_t>(reader.position()), header.alignment), file_->size());
  add_tensors(header, data_begin);
  Metadata metadata;
  for (const auto& [key, value] : header.entries) metadata.emplace(key, value.describe());
  set_metadata(std::move(metadata));
  entries_ = std::move(header.entries);
}

const GgufValue* GgufFile::find(std::string_view key) const noexcept {
  for (const auto& [name, value] : entries_) {
    if (name == key) return &value;
  }
  return nullptr;
}

QuantMatrix GgufFile::matrix(std::size_t index) const {
  const Shape& shape = info_at(index).shape;
  QuantMatrix out{.form = *forms_[index],
                  .rows = shape.empty() ? 1 : shape.front(),
                  .columns = shape.empty() ? 1 : shape.back(),
                  .values = {},
                  .scale = {}};
  for (std::size_t i = 1; i + 1 < shape.size(); ++i) out.rows *= shape[i];
  if (shape.size() == 1) out.rows = 1;
  const Range& range = ranges_[index];
  out.values = HostTensor(DType::kU8, {out.rows, out.row_bytes()},
                          file_->view(range.begin, range.length), file_);
  if (finite_scales(out)) return out;
  throw FormatError(where(), "expected finite scales in {}, found NaN or infinity; {}",
                    printable(names()[index]), kDamaged);
}

std::optional<QuantMatrix> GgufFile::read_quantised(std::string_view name) const {
  const std::size_t index = index_of(name);
  if (!forms_[index] || info_at(index).shape.size() != 2) return std::nullopt;
  return matrix(index);
}

std::optional<QuantForm> GgufFile::quant_form() const noexcept {
  std::optional<QuantForm> out;
  for (const std::optional<QuantForm>& form : forms_) {
    if (!form) continue;
    if (out && out != form) return std::nullopt;
    out = form;
  }
  return out;
}

HostTensor GgufFile::load(std::size_t index) const {
  const TensorInfo& info = info_at(index);
  if (forms_[index]) return dequantise_matrix(matrix(index)).reshaped(info.shape);
  const Range& range = ranges_[index];
  return view_or_copy(*info.dtype, info.shape, {file_->view(range.begin, range.length), file_});
}

}  // namespace conopa

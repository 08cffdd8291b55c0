#include "conopa/io/tensor_source.h"

#include "conopa/core/error.h"
#include "io/printable.h"

namespace conopa {

TensorSource::~TensorSource() = default;

bool TensorSource::contains(std::string_view name) const { return find_index(name).has_value(); }

std::optional<std::size_t> TensorSource::find_index(std::string_view name) const noexcept {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

void TensorSource::release(std::string_view) const noexcept {}

std::size_t TensorSource::index_of(std::string_view name) const {
  if (const auto found = find_index(name)) return *found;
  throw FormatError(where_, "expected a tensor '{}', found {} others{}{}; list them with `inspect`",
                    printable(name), names_.size(), names_.empty() ? "" : " such as ",
                    names_.empty() ? "" : printable(names_.front()));
}

const TensorInfo& TensorSource::info(std::string_view name) const { return infos_[index_of(name)]; }

HostTensor TensorSource::read(std::string_view name) const {
  const std::size_t index = index_of(name);
  if (!infos_[index].dtype) {
    throw UnsupportedError(where_,
                           "tensor '{}' has element type {}, which cannot be read; convert it to "
                           "float32, float16 or bfloat16 first",
                           printable(name), printable(infos_[index].dtype_name));
  }
  return load(index);
}

std::optional<QuantMatrix> TensorSource::read_quantised(std::string_view name) const {
  static_cast<void>(index_of(name));
  return std::nullopt;
}

void TensorSource::add(std::string name, TensorInfo info) {
  const auto [place, inserted] = index_.emplace(name, names_.size());
  if (!inserted) {
    throw FormatError(where_, "tensor '{}' occurs twice; the file is damaged",
                      printable(place->first));
  }
  names_.push_back(std::move(name));
  infos_.push_back(std::move(info));
}

MemorySource::MemorySource(std::vector<NamedTensor> tensors, Metadata metadata, std::string where)
    : TensorSource(std::move(where)) {
  set_metadata(std::move(metadata));
  tensors_.reserve(tensors.size());
  for (NamedTensor& named : tensors) {
    const DType dtype = named.tensor.dtype();
    add(std::move(named.name), {dtype, std::string(dtype_name(dtype)), named.tensor.shape()});
    tensors_.push_back(std::move(named.tensor));
  }
}

HostTensor MemorySource::load(std::size_t index) const { return tensors_[index]; }

std::vector<NamedTensor> read_all(const TensorSource& source) {
  std::vector<NamedTensor> out;
  out.reserve(source.names().size());
  for (const std::string& name : source.names()) out.push_back({name, source.read(name)});
  return out;
}

}  // namespace conopa

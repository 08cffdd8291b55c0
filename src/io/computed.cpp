#include "conopa/io/computed.h"

#include <utility>

#include "conopa/core/error.h"
#include "io/printable.h"

namespace conopa {

ComputedSource::ComputedSource(std::vector<ComputedTensor> tensors, Metadata metadata,
                               std::string where)
    : TensorSource(std::move(where)), tensors_(std::move(tensors)) {
  set_metadata(std::move(metadata));
  for (const ComputedTensor& tensor : tensors_) {
    add(tensor.name, {tensor.dtype, std::string(dtype_name(tensor.dtype)), tensor.shape});
  }
}

HostTensor ComputedSource::load(std::size_t index) const {
  const ComputedTensor& wanted = tensors_[index];
  HostTensor made = wanted.make();
  if (made.dtype() == wanted.dtype && made.shape() == wanted.shape) return made;
  throw FormatError(where(), "expected {} as {} of shape {}, found {} of shape {}",
                    printable(wanted.name), dtype_name(wanted.dtype), to_string(wanted.shape),
                    dtype_name(made.dtype()), to_string(made.shape()));
}

void ComputedSource::release(std::string_view name) const noexcept {
  const auto index = find_index(name);
  if (index && tensors_[*index].release) tensors_[*index].release();
}

ComputedTensor computed(std::string name, HostTensor tensor) {
  const DType dtype = tensor.dtype();
  Shape shape = tensor.shape();
  return {.name = std::move(name),
          .dtype = dtype,
          .shape = std::move(shape),
          .make = [tensor = std::move(tensor)] { return tensor; }};
}

}  // namespace conopa

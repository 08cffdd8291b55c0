#pragma once

#include <functional>
#include <string>
#include <vector>

#include "conopa/io/tensor_source.h"

namespace conopa {

/// A tensor that is made when it is read.
struct ComputedTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::function<HostTensor()> make;
  std::function<void()> release = {};  ///< see TensorSource::release; may be empty, must not throw
};

/// Tensors that do not exist before they are read, so that writing many needs the memory of one.
class ComputedSource : public TensorSource {
 public:
  /// @throws FormatError on a name that occurs twice.
  explicit ComputedSource(std::vector<ComputedTensor> tensors, Metadata metadata = {},
                          std::string where = "memory");

  void release(std::string_view name) const noexcept override;

 protected:
  /// @throws FormatError if what was made has another type or shape than announced.
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  std::vector<ComputedTensor> tensors_;
};

/// A tensor that lies in memory already.
[[nodiscard]] ComputedTensor computed(std::string name, HostTensor tensor);

}  // namespace conopa

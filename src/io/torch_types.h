#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conopa/core/dtype.h"

namespace conopa {

/// An element type of PyTorch.
struct TorchType {
  std::optional<DType> dtype;         ///< nothing: known or unknown, but not readable
  std::optional<std::int64_t> bytes;  ///< of one element; nothing if unknown
  std::string name;                   ///< for listings
};

/// Element type of a storage class ("torch.FloatStorage"); nothing if the name is no storage.
[[nodiscard]] std::optional<TorchType> torch_type_of_storage(std::string_view class_name);

/// Element type by the name of the dtype object ("torch.bfloat16"); nothing if it has another form.
[[nodiscard]] std::optional<TorchType> torch_type_of_dtype(std::string_view dtype_name);

/// Storage class of an element type, without its module: "FloatStorage".
[[nodiscard]] std::string torch_storage_name(DType dtype);

}  // namespace conopa

#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "conopa/io/tensor_source.h"
#include "conopa/llm/config.h"
#include "llm/naming.h"

namespace conopa::llm {

/// The tensors of a model under the names of a format, its rows of q and k in the format's order.
/// @param where  for messages.
/// @throws as write_meta.
[[nodiscard]] std::vector<NamedTensor> foreign_tensors(const LmConfig& config,
                                                       const LmTensors& tensors,
                                                       const Naming& naming,
                                                       std::optional<DType> dtype,
                                                       std::string_view where);

}  // namespace conopa::llm

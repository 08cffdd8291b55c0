#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/pickle.h"
#include "io/pth_tensor.h"

namespace conopa::detail {

struct FlatTensors {
  std::vector<std::pair<std::string, PthTensor>> tensors;
  std::vector<std::string> skipped;  ///< "name: class" of values that could hide tensors
};

/// Every tensor below `root`, named by keys and list positions joined with '.'.
///
/// Dicts, lists, tuples and saved modules (`torch.save(model)`, TorchScript) are entered.
/// @throws FormatError if a tensor is malformed, or nesting or the number of names exceed bounds
/// that no genuine checkpoint reaches.
[[nodiscard]] FlatTensors flatten(const PickleValue& root, std::string_view where);

/// Whether a tensor lies below `root`; stops at the first.
[[nodiscard]] bool holds_tensor(const PickleValue& root, std::string_view where);

}  // namespace conopa::detail

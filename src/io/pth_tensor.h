#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conopa/io/pickle.h"
#include "io/strided.h"
#include "io/torch_types.h"

namespace conopa::detail {

/// A reference to a storage, as pickled: ('storage', class, key, device, numel[, view]).
struct PthStorageRef {
  std::string key;
  TorchType type;
  std::int64_t numel = 0;
  std::int64_t view_offset = 0;  ///< legacy files: where a partial storage begins, in elements
};

/// A tensor of a checkpoint: type, layout and storage, not yet its bytes.
struct PthTensor {
  PthStorageRef storage;
  TorchType type;
  StridedLayout layout;
};

/// Understands a persistent reference to a storage; nothing if it refers to something else.
/// @throws FormatError if it is malformed.
[[nodiscard]] std::optional<PthStorageRef> parse_storage(const PickleValue& value,
                                                         std::string_view where);

/// Understands the calls that torch.save writes for tensors and parameters; nothing for any other
/// value. Does not look at the storage's bytes.
/// @throws FormatError if the call is malformed.
[[nodiscard]] std::optional<PthTensor> parse_tensor(const PickleValue& value,
                                                    std::string_view where);

}  // namespace conopa::detail

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "conopa/io/mapped_file.h"
#include "conopa/io/pickle.h"
#include "conopa/io/zip_reader.h"
#include "io/pth_tensor.h"

namespace conopa::detail {

/// The raw storages of a checkpoint by key.
class PthStorages {
 public:
  PthStorages() = default;
  PthStorages(const PthStorages&) = delete;
  PthStorages& operator=(const PthStorages&) = delete;
  virtual ~PthStorages() = default;

  /// Bytes of a storage without reading it; nothing if the file lacks it.
  [[nodiscard]] virtual std::optional<std::int64_t> size(const std::string& key) const = 0;
  /// The storage, which exists.
  [[nodiscard]] virtual SharedBytes read(const std::string& key) const = 0;
  /// Lets the pages of a storage go, see TensorSource::release.
  virtual void release(const std::string& key) const noexcept = 0;
  [[nodiscard]] virtual bool is_legacy() const noexcept = 0;
};

/// A checkpoint opened but not interpreted.
struct PthContent {
  PickleValue root;
  std::unique_ptr<PthStorages> storages;
};

/// Opens the zip form (PyTorch 1.6 and later; TorchScript archives too).
/// @throws FormatError if it is damaged or no checkpoint.
[[nodiscard]] PthContent open_zip_pth(std::shared_ptr<const MappedFile> file);

/// Opens the older form: pickles with the storages appended.
/// @throws FormatError if it is damaged or no checkpoint.
[[nodiscard]] PthContent open_legacy_pth(std::shared_ptr<const MappedFile> file);

}  // namespace conopa::detail

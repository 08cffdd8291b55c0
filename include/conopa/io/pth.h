#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/mapped_file.h"
#include "conopa/io/pickle.h"
#include "conopa/io/tensor_source.h"

namespace conopa {

namespace detail {
class PthStorages;
struct PthTensor;
}  // namespace detail

struct PthOptions {
  /// Which dict of the file to present, as keys joined by '/' ("" is the whole file). Nothing:
  /// search for `model`, `state_dict` and their like, else the whole file.
  std::optional<std::string> key_path = {};
  /// Drop a prefix that every name shares because of a wrapper (`module.`, `_orig_mod.`).
  bool strip_wrapper_prefix = true;
};

/// A PyTorch checkpoint (`torch.save`), zip or legacy format, read without executing anything.
///
/// Tensors of the chosen dict are presented flat: nested keys and list positions are joined by '.'.
/// Their bytes are views of the mapped file; strided tensors are made contiguous when read, and
/// deflated storages (torch.save writes none) are unpacked for each tensor anew.
class PthFile : public TensorSource {
 public:
  /// @throws IoError if the file cannot be read, FormatError if it is damaged, exceeds the limits
  /// or lacks the key path; UnsupportedError for forms older than PyTorch 0.1.10.
  [[nodiscard]] static std::unique_ptr<PthFile> open(const std::filesystem::path& path,
                                                     const PthOptions& options = {});
  [[nodiscard]] static std::unique_ptr<PthFile> from(std::shared_ptr<const MappedFile> file,
                                                     const PthOptions& options = {});
  ~PthFile() override;

  /// The whole saved value: epoch, args, optimiser state, ...
  [[nodiscard]] const PickleValue& root() const noexcept { return root_; }
  /// Keys that lead to the presented dict, joined by '/'; "" is the root.
  [[nodiscard]] const std::string& selected_path() const noexcept { return selected_path_; }
  /// Wrapper prefix that was dropped from every name; "" if none.
  [[nodiscard]] const std::string& stripped_prefix() const noexcept { return stripped_prefix_; }
  /// Entries of the presented dict that are objects of unknown classes, as "name: class".
  [[nodiscard]] const std::vector<std::string>& skipped() const noexcept { return skipped_; }
  [[nodiscard]] bool is_legacy() const noexcept;

  /// The tensor at any value of the tree (optimiser states); nothing if the value is no tensor.
  /// @throws FormatError, UnsupportedError as read() does.
  [[nodiscard]] std::optional<HostTensor> tensor_at(const PickleValue& value) const;

  void release(std::string_view name) const noexcept override;

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  PthFile(std::string where, PickleValue root, std::unique_ptr<detail::PthStorages> storages);
  void select(const PthOptions& options);
  void present(const PickleValue& selected, const PthOptions& options);

  PickleValue root_;
  std::unique_ptr<detail::PthStorages> storages_;
  std::vector<detail::PthTensor> tensors_;
  std::string selected_path_;
  std::string stripped_prefix_;
  std::vector<std::string> skipped_;
};

}  // namespace conopa

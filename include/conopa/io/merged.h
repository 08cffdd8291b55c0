#pragma once

#include <memory>
#include <vector>

#include "conopa/io/tensor_source.h"

namespace conopa {

/// Several sources as one, such as a backbone and a head in files of their own. Names come in the
/// order of the sources; where() and the metadata are those of the first.
class MergedSource : public TensorSource {
 public:
  /// @param sources  at least one.
  /// @throws FormatError naming the file and the first tensor that an earlier source has too.
  explicit MergedSource(std::vector<std::unique_ptr<TensorSource>> sources);

  [[nodiscard]] std::optional<QuantMatrix> read_quantised(std::string_view name) const override;
  void release(std::string_view name) const noexcept override;

  /// The sources, in order.
  [[nodiscard]] const std::vector<std::unique_ptr<TensorSource>>& sources() const noexcept {
    return sources_;
  }

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  std::vector<std::unique_ptr<TensorSource>> sources_;
  std::vector<std::size_t> source_of_;
};

}  // namespace conopa

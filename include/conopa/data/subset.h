#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/data/dataset.h"

namespace conopa::data {

/// Some samples of another dataset, in a given order; its classes stay the same.
class Subset final : public Dataset {
 public:
  /// @param indices places in `dataset`.
  /// @throws ConfigError if there are none.
  Subset(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> indices);

  [[nodiscard]] std::int64_t size() const noexcept override {
    return static_cast<std::int64_t>(indices_.size());
  }
  [[nodiscard]] Sample get(std::int64_t index) const override;
  [[nodiscard]] std::int64_t label(std::int64_t index) const override;
  [[nodiscard]] std::string name(std::int64_t index) const override;
  [[nodiscard]] bool has_captions() const noexcept override { return dataset_->has_captions(); }
  [[nodiscard]] std::string_view caption(std::int64_t index) const override {
    return dataset_->caption(source(index));
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override {
    return dataset_->class_names();
  }

 private:
  [[nodiscard]] std::int64_t source(std::int64_t index) const {
    return indices_.at(static_cast<std::size_t>(index));
  }

  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::int64_t> indices_;
};

/// Picks up to `count` samples so that classes are as equally frequent as they can be: one of every
/// class in turn, in a random order inside each class, until the count is reached.
/// @return ascending places; a pure function of its arguments.
[[nodiscard]] std::vector<std::int64_t> pick_balanced(std::span<const std::int64_t> labels,
                                                      std::int64_t count, std::int64_t seed);

}  // namespace conopa::data

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/data/dataset.h"

namespace conopa::data {

/// A file that could not be used, and why.
struct BrokenFile {
  std::string name;
  std::string error;
};

/// Collects broken files; each is counted once however often it is met. Thread-safe.
class BrokenFiles {
 public:
  void add(std::string_view name, std::string_view error);
  [[nodiscard]] std::int64_t count() const;
  /// Sorted by name, so that the list does not depend on threads.
  [[nodiscard]] std::vector<BrokenFile> list() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> errors_;
};

/// The policy `skip`: a broken sample is replaced by the next good one, with that one's label.
///
/// "Next" is index+1, index+2, ..., wrapping at the end, so the replacement is a function of the
/// files alone, not of threads or order. The returned Sample carries the index it really came from.
/// Every broken sample is entered in the report and met once only; a warning goes to the log.
class SkipBroken final : public Dataset {
 public:
  SkipBroken(std::shared_ptr<const Dataset> dataset, std::shared_ptr<BrokenFiles> report);

  [[nodiscard]] std::int64_t size() const noexcept override { return dataset_->size(); }
  /// @throws FormatError if no sample of the whole dataset is good.
  [[nodiscard]] Sample get(std::int64_t index) const override;
  /// The label the dataset states for this place, even if its image is broken.
  [[nodiscard]] std::int64_t label(std::int64_t index) const override {
    return dataset_->label(index);
  }
  [[nodiscard]] std::string name(std::int64_t index) const override {
    return dataset_->name(index);
  }
  [[nodiscard]] bool has_captions() const noexcept override { return dataset_->has_captions(); }
  [[nodiscard]] std::string_view caption(std::int64_t index) const override {
    return dataset_->caption(index);
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override {
    return dataset_->class_names();
  }

 private:
  void report(std::int64_t index, std::string_view error) const;

  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<BrokenFiles> report_;
  mutable std::vector<std::atomic<bool>> known_broken_;
};

}  // namespace conopa::data

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/image/image.h"

namespace conopa::data {

/// A decoded image with its class.
struct Sample {
  image::Image image;
  std::int64_t label = 0;  ///< 0 ≤ label < number of classes; 0 if there are none
  std::int64_t index = 0;  ///< where it stands in the dataset asked; see SkipBroken for exceptions
};

/// A fixed, finite list of labelled images. Every label has been checked when it was opened; images
/// are decoded when asked for. All members are thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  [[nodiscard]] virtual std::int64_t size() const noexcept = 0;

  /// Decodes one sample, 0 ≤ index < size().
  /// @throws Error with code kBadData, naming the file, if it is missing or broken.
  [[nodiscard]] virtual Sample get(std::int64_t index) const = 0;

  /// The class of a sample without decoding it.
  [[nodiscard]] virtual std::int64_t label(std::int64_t index) const = 0;

  /// What to call a sample in messages: its file, or "file[place]".
  [[nodiscard]] virtual std::string name(std::int64_t index) const = 0;

  /// Whether samples have captions.
  [[nodiscard]] virtual bool has_captions() const noexcept { return false; }
  /// The caption of a sample, UTF-8, as long as the dataset lives; empty if it has none.
  [[nodiscard]] virtual std::string_view caption(std::int64_t /*index*/) const { return {}; }

  /// One name per class; their number is the number of classes. None if the data has no classes;
  /// every label is 0 then.
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const noexcept = 0;

  [[nodiscard]] std::int64_t num_classes() const noexcept {
    return static_cast<std::int64_t>(class_names().size());
  }

 protected:
  Dataset() = default;
};

/// The labels of all samples, in order.
[[nodiscard]] std::vector<std::int64_t> all_labels(const Dataset& dataset);

}  // namespace conopa::data

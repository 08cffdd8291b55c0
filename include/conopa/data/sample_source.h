#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "conopa/core/host_tensor.h"
#include "conopa/core/rng.h"
#include "conopa/data/dataset.h"
#include "conopa/image/transform.h"

namespace conopa::data {

/// A dataset together with what happens to its samples: what a Loader makes batches of. Immutable
/// and thread-safe.
class SampleSource {
 public:
  /// What a sample is, once made.
  struct Origin {
    std::int64_t label = 0;
    std::int64_t index = 0;  ///< in the dataset; differs from the one asked for if that was broken
  };

  virtual ~SampleSource() = default;
  SampleSource(const SampleSource&) = delete;
  SampleSource& operator=(const SampleSource&) = delete;

  /// Of one sample; the last two are rows and columns where samples are mixed.
  [[nodiscard]] virtual const Shape& shape() const noexcept = 0;
  [[nodiscard]] virtual const Dataset& dataset() const noexcept = 0;

  /// Makes one sample, a function of the arguments and the files alone.
  /// @param out  float32 of shape(), written completely.
  /// @throws Error naming the file.
  virtual Origin fill(std::int64_t index, Rng& rng, std::span<float> out) const = 0;

 protected:
  SampleSource() = default;
};

/// Images, [C, H, W].
[[nodiscard]] std::shared_ptr<const SampleSource> make_image_source(
    std::shared_ptr<const Dataset> dataset, std::shared_ptr<const image::Transform> transform);

}  // namespace conopa::data

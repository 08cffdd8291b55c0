#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <span>
#include <string>
#include <vector>

#include "conopa/core/host_tensor.h"
#include "conopa/engine/session.h"
#include "conopa/engine/token_batches.h"
#include "image_reader.h"
#include "network.h"

namespace conopa::app {

/// A batch of images of one size.
struct EqualImages {
  HostTensor pixels;                    ///< [B, C, H, W]
  std::span<const std::size_t> places;  ///< of its images among all that were given

  [[nodiscard]] std::int64_t size() const noexcept { return std::ssize(places); }
};

/// A model that takes every image at its own size. The weights are packed once; sessions of the
/// sizes that were used last are kept. Not thread-safe.
class OwnSizes {
 public:
  /// @throws ConfigError unless the model takes images as they are (mode = "as_is") and computes
  ///         its positions; UsageError for another engine than the native one.
  OwnSizes(const StoredModel& stored, const EngineOptions& options);

  [[nodiscard]] const engine::Model& model() const noexcept { return model_; }

  /// Runs images in batches of equal size with at most kNativePatchesMax tokens.
  /// @param use  called with every batch and the session of its size.
  void run(std::span<const SizedImage> images,
           const std::function<void(engine::Session&, const EqualImages&)>& use);

  /// One row an image, in the order of the images, whatever batches they were in.
  /// @param rows_of  gives the rows [B, width] of a batch.
  [[nodiscard]] std::vector<float> rows(
      std::span<const SizedImage> images,
      const std::function<std::vector<float>(engine::Session&, const EqualImages&)>& rows_of);

 private:
  struct Kept {
    engine::ImageSize size;
    engine::Session session;
  };

  engine::Session& session_of(engine::ImageSize size);

  engine::Model model_;
  int threads_;
  std::list<Kept> kept_;  // the last used first
};

}  // namespace conopa::app

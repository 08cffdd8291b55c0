#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace conopa::engine {

/// Size of an image, px.
struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  bool operator==(const ImageSize&) const = default;
};

/// Batches of images for a model that takes them at their own size (Model::resized).
///
/// Images of one batch have the same rows and columns of whole patches (pixels beyond those are
/// the caller's to crop); a batch has at most `max_tokens` patches. Groups come in the order of
/// their first image, images of a group in their own order.
/// @param patch  side of a patch, px.
/// @return indices into `sizes`; every image is in one batch.
/// @throws ConfigError for a patch or max_tokens below 1, ShapeError naming an image that is
/// smaller
///         than a patch or has more patches than a batch may.
/// @complexity O(n log n).
[[nodiscard]] std::vector<std::vector<std::size_t>> batches_by_tokens(
    std::span<const ImageSize> sizes, std::int64_t patch, std::int64_t max_tokens);

/// Fewest and most patches of the images that AIMv2 was trained on.
/// @source AIMv2 (arXiv 2411.14402), section 2.4.
inline constexpr std::int64_t kNativePatchesMin = 112;
inline constexpr std::int64_t kNativePatchesMax = 4096;

/// Refuses an image whose number of whole patches is outside min..max.
/// @param where  the image, for messages.
/// @throws ShapeError naming the patches of the image and what to resize it to.
void check_native_size(std::int64_t height, std::int64_t width, std::int64_t patch,
                       std::int64_t min = kNativePatchesMin, std::int64_t max = kNativePatchesMax,
                       std::string_view where = "batches");

}  // namespace conopa::engine

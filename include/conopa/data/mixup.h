#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"
#include "conopa/core/rng.h"

namespace conopa::data {

/// How many different mixing ratios a batch gets.
enum class MixMode {
  kBatch,  ///< one ratio (and box) for the whole batch
  kElem,   ///< one per sample
  kPair    ///< one per pair of mirrored samples, used for both
};

/// Options of mixup, cutmix and label smoothing; the defaults mix nothing.
struct MixupOptions {
  double mixup_alpha = 0.0;   ///< Beta(alpha, alpha) of the ratio; 0 switches mixup off
  double cutmix_alpha = 0.0;  ///< the same for cutmix
  /// Cutmix box sides as fractions of the image, drawn uniformly instead of through Beta; both 0
  /// switch this off. Implies cutmix, as cutmix_alpha 1 would.
  double cutmix_min = 0.0;
  double cutmix_max = 0.0;
  double prob = 1.0;         ///< probability that a batch (or sample, or pair) is mixed at all
  double switch_prob = 0.5;  ///< probability of cutmix where both are on
  MixMode mode = MixMode::kBatch;
  bool correct_ratio = true;  ///< cutmix: use the ratio of the box as clipped by the borders
  double label_smoothing = 0.0;

  /// @throws ConfigError naming the value that is out of range.
  void validate() const;
  void visit(FieldVisitor& v);

  /// Whether any image can be mixed.
  [[nodiscard]] bool mixes() const noexcept;
  /// Whether labels become soft targets.
  [[nodiscard]] bool needs_targets() const noexcept { return mixes() || label_smoothing > 0.0; }
};

/// What one sample gets from its partner, the sample at the mirrored place of the batch.
struct Mix {
  /// Half-open pixel ranges.
  struct Box {
    std::int64_t top = 0;
    std::int64_t bottom = 0;
    std::int64_t left = 0;
    std::int64_t right = 0;
    friend bool operator==(const Box&, const Box&) = default;
  };
  double ratio = 1.0;           ///< weight of the sample's own label (and pixels); 1 = untouched
  std::optional<Box> box = {};  ///< cutmix: the part that comes from the partner; none = mixup
};

/// Draws what every sample of a batch is mixed with. Sample i's partner is batch-1-i; the middle
/// sample of an odd batch is its own partner.
///
/// @param batch  number of samples; @param height,width of the images in pixels.
/// @return one entry per sample.
/// @source timm 0.5.4, data/mixup.py (mixup: arXiv 1710.09412, cutmix: arXiv 1905.04899). The order
///   of random draws is this library's; odd batches, which timm refuses, are accepted.
[[nodiscard]] std::vector<Mix> draw_mixes(const MixupOptions& options, std::int64_t batch,
                                          std::int64_t height, std::int64_t width, Rng& rng);

/// Mixes the images in place, in float32: own·ratio + partner·(1−ratio), or the partner's box.
///
/// @param images [B, C, H, W], contiguous, B = mixes.size().
/// @complexity one pass over the batch, no allocation.
void mix_images(std::span<const Mix> mixes, std::int64_t channels, std::int64_t height,
                std::int64_t width, std::span<float> images);

/// Soft targets [B, K]: smoothed one-hot rows mixed with the partner's by the ratio. A smoothed row
/// holds 1 − s + s/K at the label and s/K elsewhere. Every row sums to 1.
///
/// @param mixes   one per label, or empty for smoothing alone.
/// @param labels  class indices.
/// @param targets [B, K], overwritten.
/// @throws FormatError for a label outside [0, num_classes).
void soft_targets(std::span<const Mix> mixes, std::span<const std::int64_t> labels,
                  std::int64_t num_classes, double label_smoothing, std::span<float> targets);

}  // namespace conopa::data

template <>
struct conopa::EnumNames<conopa::data::MixMode> {
  static constexpr std::array<std::string_view, 3> kNames = {"batch", "elem", "pair"};
};

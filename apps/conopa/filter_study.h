#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conopa/eval/activation_map.h"
#include "conopa/eval/pseudo_mask.h"
#include "conopa/image/image.h"
#include "conopa/report/table.h"
#include "filter_layers.h"
#include "network.h"

namespace conopa::app {

/// What is computed of a layer's tokens.
enum class ActivationKind : std::uint8_t { kMagnitude, kFrequency, kAttention };

/// One activation map of one image.
struct Activation {
  std::string layer;
  ActivationKind kind = ActivationKind::kMagnitude;
  TokenPlaces places;
  std::vector<double> map;  ///< [places.count()], 0 to 1
};

/// How well a map agrees with the mask of its image.
struct FilterScore {
  std::string image;
  std::string layer;
  ActivationKind kind = ActivationKind::kMagnitude;
  eval::PseudoMaskScore score;
};

/// The maps of one image of a batch: magnitude and frequency of every layer of tokens, the class
/// token's attention of a layer of attention.
/// @param layers  of Network::captures.
/// @param image   index in the batch; `name` is for messages.
/// @throws RunError naming image and layer if an activation is not finite; as places_of.
[[nodiscard]] std::vector<Activation> activations_of(std::span<const LayerValues> layers,
                                                     std::int64_t image, const std::string& name,
                                                     const arch::EncoderSpec& spec,
                                                     eval::MeanOver mean);

/// The mask of an image at the tokens of each map; nothing if a mask has no token, so that nothing
/// can be found.
/// @param coverage  [spec.height, spec.width] as MaskFolder::coverage.
[[nodiscard]] std::optional<std::vector<std::vector<std::uint8_t>>> token_masks(
    const std::vector<Activation>& activations, std::span<const std::uint8_t> coverage,
    const arch::EncoderSpec& spec);

/// A row per layer: the picture, the maps laid over it, and with masks what each map finds at its
/// best threshold (blue: found and true, orange: found alone, violet: true alone).
/// @param masks  one per activation, or none.
[[nodiscard]] image::Image filter_picture(const image::Image& picture,
                                          const std::vector<Activation>& activations,
                                          std::span<const std::vector<std::uint8_t>> masks);

/// image, layer, kind, threshold, iou: a row per image and map.
[[nodiscard]] report::TextTable score_table(std::span<const FilterScore> scores);

/// The mean over images of a map's best IoU.
struct FilterMean {
  std::string layer;
  ActivationKind kind = ActivationKind::kMagnitude;
  double miou = 0.0;
  std::int64_t images = 0;
};
/// One per layer and kind, in the order of their first score.
[[nodiscard]] std::vector<FilterMean> filter_means(std::span<const FilterScore> scores);
[[nodiscard]] report::TextTable mean_table(std::span<const FilterMean> means);

}  // namespace conopa::app

template <>
struct conopa::EnumNames<conopa::app::ActivationKind> {
  static constexpr std::array<std::string_view, 3> kNames = {"magnitude", "frequency", "attention"};
};

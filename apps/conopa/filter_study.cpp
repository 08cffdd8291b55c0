#include "filter_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "conopa/core/error.h"
#include "conopa/report/activation_overlay.h"
#include "conopa/report/plot.h"

namespace conopa::app {
namespace {

void require_finite(std::span<const float> values, const std::string& image,
                    const std::string& layer) {
  if (std::ranges::all_of(values, [](float x) { return std::isfinite(x); })) return;
  throw RunError(image,
                 "expected finite activations in {}, found NaN or infinity; try --precision fp32, "
                 "or check the weights",
                 layer);
}

void add_token_maps(const LayerValues& layer, std::span<const float> values,
                    const arch::EncoderSpec& spec, eval::MeanOver mean,
                    std::vector<Activation>& out) {
  const std::int64_t width = layer.shape[2];
  const TokenPlaces places = places_of(spec, layer.shape[1], layer.name);
  const eval::TokenGrid grid{
      .tokens = values.subspan(static_cast<std::size_t>(places.first * width),
                               static_cast<std::size_t>(places.count() * width)),
      .rows = places.rows,
      .cols = places.cols,
      .width = width};
  out.push_back(
      {layer.name, ActivationKind::kMagnitude, places, eval::magnitude_activation(grid, mean)});
  out.push_back(
      {layer.name, ActivationKind::kFrequency, places, eval::frequency_activation(grid, mean)});
}

// The row of the class token in every head, its own column left out.
void add_attention_map(const LayerValues& layer, std::span<const float> values,
                       const arch::EncoderSpec& spec, std::vector<Activation>& out) {
  const std::int64_t heads = layer.shape[1];
  const std::int64_t tokens = layer.shape[2];
  const TokenPlaces places = places_of(spec, tokens, layer.name);
  std::vector<float> scores;
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto begin = static_cast<std::size_t>(
        (head * tokens + spec.class_token_index()) * layer.shape[3] + places.first);
    const auto row = values.subspan(begin, static_cast<std::size_t>(places.count()));
    scores.insert(scores.end(), row.begin(), row.end());
  }
  out.push_back({layer.name, ActivationKind::kAttention, places,
                 eval::attention_activation(scores, places.count())});
}

std::vector<std::uint8_t> thresholded(const Activation& activation, double threshold) {
  std::vector<std::uint8_t> out;
  for (const double value : activation.map) out.push_back(value > threshold ? 1 : 0);
  return out;
}

image::Image overlay(const image::Image& picture, const Activation& a) {
  return report::activation_overlay(
      picture, {.values = a.map, .rows = a.places.rows, .cols = a.places.cols});
}

image::Image agreement(const image::Image& picture, const Activation& a,
                       const std::vector<std::uint8_t>& mask) {
  const std::vector<std::uint8_t> found =
      thresholded(a, eval::pseudo_mask_score(a.map, mask).best_threshold());
  return report::mask_overlay(
      picture, {.found = found, .truth = mask, .rows = a.places.rows, .cols = a.places.cols});
}

}  // namespace

std::vector<Activation> activations_of(std::span<const LayerValues> layers, std::int64_t image,
                                       const std::string& name, const arch::EncoderSpec& spec,
                                       eval::MeanOver mean) {
  std::vector<Activation> out;
  for (const LayerValues& layer : layers) {
    const auto size = layer.values.size() / static_cast<std::size_t>(layer.shape[0]);
    const std::span<const float> values =
        std::span(layer.values).subspan(static_cast<std::size_t>(image) * size, size);
    require_finite(values, name, layer.name);
    if (layer.shape.size() == 4) {
      add_attention_map(layer, values, spec, out);
    } else {
      add_token_maps(layer, values, spec, mean, out);
    }
  }
  return out;
}

std::optional<std::vector<std::vector<std::uint8_t>>> token_masks(
    const std::vector<Activation>& activations, std::span<const std::uint8_t> coverage,
    const arch::EncoderSpec& spec) {
  std::vector<std::vector<std::uint8_t>> out;
  for (const Activation& a : activations) {
    out.push_back(
        eval::token_mask(coverage, spec.height, spec.width, a.places.rows, a.places.cols));
    if (std::ranges::none_of(out.back(), [](std::uint8_t x) { return x != 0; })) {
      return std::nullopt;
    }
  }
  return out;
}

image::Image filter_picture(const image::Image& picture, const std::vector<Activation>& activations,
                            std::span<const std::vector<std::uint8_t>> masks) {
  const image::Image nothing(picture.width, picture.height, 4);
  std::vector<image::Image> cells;
  for (std::size_t first = 0; first < activations.size();) {
    const std::size_t count = activations[first].kind == ActivationKind::kAttention ? 1 : 2;
    cells.push_back(picture);
    for (std::size_t k = 0; k < 2; ++k) {
      cells.push_back(k < count ? overlay(picture, activations[first + k]) : nothing);
    }
    for (std::size_t k = 0; k < 2 && !masks.empty(); ++k) {
      cells.push_back(k < count ? agreement(picture, activations[first + k], masks[first + k])
                                : nothing);
    }
    first += count;
  }
  return report::image_grid(cells, masks.empty() ? 3 : 5, 4);
}

report::TextTable score_table(std::span<const FilterScore> scores) {
  report::TextTable out{
      .title = {}, .header = {"image", "layer", "kind", "threshold", "iou"}, .rows = {}};
  for (const FilterScore& s : scores) {
    out.rows.push_back({s.image, s.layer, std::string(enum_name(s.kind)),
                        fmt::format("{:.1f}", s.score.best_threshold()),
                        fmt::format("{:.6f}", s.score.best_iou())});
  }
  return out;
}

std::vector<FilterMean> filter_means(std::span<const FilterScore> scores) {
  std::vector<FilterMean> out;
  for (const FilterScore& s : scores) {
    auto mean = std::ranges::find_if(
        out, [&](const FilterMean& m) { return m.layer == s.layer && m.kind == s.kind; });
    if (mean == out.end()) {
      out.push_back({.layer = s.layer, .kind = s.kind});
      mean = out.end() - 1;
    }
    mean->miou += s.score.best_iou();
    ++mean->images;
  }
  for (FilterMean& mean : out) mean.miou /= static_cast<double>(mean.images);
  return out;
}

report::TextTable mean_table(std::span<const FilterMean> means) {
  report::TextTable out{.title = {}, .header = {"layer", "kind", "miou", "images"}, .rows = {}};
  for (const FilterMean& m : means) {
    out.rows.push_back({m.layer, std::string(enum_name(m.kind)), fmt::format("{:.6f}", m.miou),
                        fmt::format("{}", m.images)});
  }
  return out;
}

}  // namespace conopa::app

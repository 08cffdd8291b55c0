#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/image/augment.h"
#include "conopa/image/erase.h"
#include "conopa/image/transform.h"
#include "image/normalize.h"

namespace conopa::image {
namespace {

Filter draw_filter(Interpolation interpolation, Rng& rng) {
  if (interpolation == Interpolation::kRandom) {
    return rng.bernoulli(0.5) ? Filter::kBicubic : Filter::kBilinear;
  }
  return interpolation == Interpolation::kBicubic ? Filter::kBicubic : Filter::kBilinear;
}

AugmentContext augment_context(const TrainTransformOptions& options) {
  AugmentContext context;
  for (std::size_t c = 0; c < context.fill.size(); ++c) {
    const double mean = options.mean[std::min(c, options.mean.size() - 1)];
    context.fill[c] =
        static_cast<std::uint8_t>(std::clamp(std::nearbyint(255.0 * mean), 0.0, 255.0));
  }
  if (options.interpolation != Interpolation::kRandom) {
    context.interpolation =
        options.interpolation == Interpolation::kBicubic ? Filter::kBicubic : Filter::kBilinear;
  }
  return context;
}

class TrainTransform final : public Transform {
 public:
  explicit TrainTransform(const TrainTransformOptions& options)
      : Transform({options.channels, options.height, options.width}),
        options_(options),
        normalizer_(options.channels, options.mean, options.std) {
    if (!options.rand_augment.empty()) {
      rand_augment_.emplace(parse_rand_augment(options.rand_augment), augment_context(options));
    }
  }

  void apply(const ImageView& image, Rng& rng, std::span<float> out) const override;

 private:
  [[nodiscard]] bool changes_colours() const {
    return rand_augment_.has_value() || options_.three_augment || options_.color_jitter > 0.0 ||
           options_.hue_jitter > 0.0;
  }
  [[nodiscard]] ImageView fit(const ImageView& image, Rng& rng, Image& storage,
                              Placement& place) const;
  [[nodiscard]] Placement draw_offset(std::int64_t width, std::int64_t height, std::int64_t border,
                                      Rng& rng) const;
  [[nodiscard]] Image recolour(Image image, Rng& rng) const;

  TrainTransformOptions options_;
  Normalizer normalizer_;
  std::optional<RandAugment> rand_augment_;
};

/// A random window of the target size on an image with a border around it.
Placement TrainTransform::draw_offset(std::int64_t width, std::int64_t height, std::int64_t border,
                                      Rng& rng) const {
  const std::int64_t spare_x = width + 2 * border - options_.width;
  const std::int64_t spare_y = height + 2 * border - options_.height;
  if (spare_x < 0 || spare_y < 0) {
    throw ShapeError("pad_crop",
                     "expected an image of at least {}x{} with its border of {}, got {}x{}; use "
                     "crop = \"random_resized\" or \"resize_only\"",
                     options_.width, options_.height, border, width, height);
  }
  Placement place;
  place.top = rng.below(spare_y + 1) - border;
  place.left = rng.below(spare_x + 1) - border;
  return place;
}

/// Brings the image near the target: returns pixels (the input's own, or in `storage`) and where
/// the target lies on them.
ImageView TrainTransform::fit(const ImageView& image, Rng& rng, Image& storage,
                              Placement& place) const {
  const auto converted = [&](const ImageView& view) -> ImageView {
    if (view.channels == options_.channels) return view;
    storage = to_channels(view, options_.channels);
    return storage;
  };
  const auto scaled = [&](const ImageView& view, Size size) -> ImageView {
    const Filter filter = draw_filter(options_.interpolation, rng);
    const ImageView source = converted(view);
    if (source.width == size.width && source.height == size.height) return source;
    storage = resize(source, size.width, size.height, filter);
    return storage;
  };
  const Size target{options_.width, options_.height};
  switch (options_.crop) {
    case TrainCrop::kRandomResized: {
      const WindowRange range{options_.scale_min, options_.scale_max, options_.ratio_min,
                              options_.ratio_max};
      const Window w = random_resized_window({image.width, image.height}, range, rng);
      return scaled(image.window(w.left, w.top, w.width, w.height), target);
    }
    case TrainCrop::kPadCrop:
      place = draw_offset(image.width, image.height, options_.pad_px, rng);
      return converted(image);
    case TrainCrop::kResizeOnly:
      return scaled(image, target);
    case TrainCrop::kSimple: {
      const Size covering = size_to_cover({image.width, image.height}, target);
      const ImageView view = scaled(image, covering);
      place = draw_offset(view.width, view.height, options_.pad_px, rng);
      const std::int64_t p = std::min({options_.pad_px, view.width - 1, view.height - 1});
      if (p < options_.pad_px) {
        throw ShapeError("simple crop", "expected an image wider than its border of {}, got {}x{}",
                         options_.pad_px, view.width, view.height);
      }
      storage = pad(view, {p, p, p, p}, PadMode::kReflect);
      place.left += p;
      place.top += p;
      return storage;
    }
  }
  return image;
}

Image TrainTransform::recolour(Image image, Rng& rng) const {
  if (rand_augment_) return rand_augment_->apply(std::move(image), rng);
  if (options_.three_augment) image = three_augment(std::move(image), rng);
  const bool jitters = options_.color_jitter > 0.0 || options_.hue_jitter > 0.0;
  if (jitters && (options_.jitter_prob >= 1.0 || rng.bernoulli(options_.jitter_prob))) {
    const double range = options_.color_jitter;
    image = color_jitter(std::move(image), {range, range, range, options_.hue_jitter}, rng);
  }
  return image;
}

void TrainTransform::apply(const ImageView& image, Rng& rng, std::span<float> out) const {
  check_output(out);
  Image storage;
  Placement place;
  ImageView view = fit(image, rng, storage, place);
  place.flip_x = options_.hflip > 0.0 && rng.bernoulli(options_.hflip);
  place.flip_y = options_.vflip > 0.0 && rng.bernoulli(options_.vflip);
  if (changes_colours()) {
    storage = recolour(placed(view, place, options_.width, options_.height), rng);
    view = storage;
    place = {};
  }
  normalizer_.write(view, place, options_.height, options_.width, out);
  if (options_.erase_prob > 0.0) {
    const RandomErasingOptions erasing{options_.erase_prob, options_.erase_mode,
                                       options_.erase_count};
    random_erase(out, options_.channels, options_.height, options_.width, erasing, rng);
  }
}

}  // namespace

std::unique_ptr<Transform> make_train_transform(const TrainTransformOptions& options) {
  options.validate();
  return std::make_unique<TrainTransform>(options);
}

}  // namespace conopa::image

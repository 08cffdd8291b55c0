#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/image/resize.h"
#include "conopa/image/transform.h"
#include "image/normalize.h"

namespace conopa::image {
namespace {

/// Offset of a centred window: half the spare pixels, halves to the even side; a window larger
/// than the image starts before it, the odd pixel of its border behind (torchvision CenterCrop).
std::int64_t center_offset(std::int64_t size, std::int64_t window) {
  if (window > size) return -((window - size) / 2);
  const std::int64_t spare = size - window;
  const std::int64_t half = spare / 2;
  return spare % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

class EvalTransform final : public Transform {
 public:
  explicit EvalTransform(const EvalTransformOptions& options)
      : Transform({options.channels, options.height, options.width}),
        options_(options),
        normalizer_(options.channels, options.mean, options.std) {}

  void apply(const ImageView& image, Rng& rng, std::span<float> out) const override;

 private:
  [[nodiscard]] Size scaled_size(Size size) const;

  EvalTransformOptions options_;
  Normalizer normalizer_;
};

Size EvalTransform::scaled_size(Size size) const {
  if (options_.mode == EvalMode::kSquash) return {options_.width, options_.height};
  if (options_.mode == EvalMode::kAsIs) return size;
  if (options_.resize_short > 0) return size_for_short_side(size, options_.resize_short);
  const auto enlarged = [&](std::int64_t side) {
    return static_cast<std::int64_t>(static_cast<double>(side) / options_.crop_pct);
  };
  return size_to_cover(size, {enlarged(options_.width), enlarged(options_.height)});
}

void EvalTransform::apply(const ImageView& image, Rng&, std::span<float> out) const {
  check_output(out);
  Image storage;
  ImageView view = image;
  if (image.channels != options_.channels) {
    storage = to_channels(image, options_.channels);
    view = storage;
  }
  const Size size = scaled_size({view.width, view.height});
  if (size != Size{view.width, view.height}) {
    const Filter filter =
        options_.interpolation == Interpolation::kBicubic ? Filter::kBicubic : Filter::kBilinear;
    storage = resize(view, size.width, size.height, filter);
    view = storage;
  }
  Placement place;
  place.left = center_offset(view.width, options_.width);
  place.top = center_offset(view.height, options_.height);
  normalizer_.write(view, place, options_.height, options_.width, out);
}

}  // namespace

std::unique_ptr<Transform> make_eval_transform(const EvalTransformOptions& options) {
  options.validate();
  return std::make_unique<EvalTransform>(options);
}

}  // namespace conopa::image

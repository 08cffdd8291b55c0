#include <cmath>

#include "conopa/core/error.h"
#include "conopa/image/augment.h"
#include "conopa/image/transform.h"

namespace conopa::image {
namespace {

constexpr std::int64_t kMaxSide = 65536;

/// Throws unless the condition holds; the message names field, range and value.
template <typename T>
void require(bool condition, std::string_view field, std::string_view expected, const T& got) {
  if (!condition) throw ConfigError(field, "must be {}, got {}", expected, got);
}

bool is_share(double v) { return v >= 0.0 && v <= 1.0; }

void check_output(std::int64_t height, std::int64_t width, std::int64_t channels,
                  const std::vector<double>& mean, const std::vector<double>& std) {
  require(height >= 1 && height <= kMaxSide, "height", "1 to 65536 pixels", height);
  require(width >= 1 && width <= kMaxSide, "width", "1 to 65536 pixels", width);
  require(channels == 1 || channels == 3, "channels", "1 or 3", channels);
  const auto fits = [&](const std::vector<double>& values) {
    return values.size() == 1 || static_cast<std::int64_t>(values.size()) == channels;
  };
  require(fits(mean), "mean", "one number, or one per channel", mean.size());
  require(fits(std), "std", "one number, or one per channel", std.size());
  for (const double v : mean) require(std::isfinite(v), "mean", "finite", v);
  for (const double v : std) require(std::isfinite(v) && v > 0.0, "std", "above 0", v);
}

}  // namespace

void Transform::check_output(std::span<const float> out) const {
  if (static_cast<std::int64_t>(out.size()) != element_count(shape_)) {
    throw ShapeError("transform", "expected room for {} values, got {}", to_string(shape_),
                     out.size());
  }
}

void TrainTransformOptions::visit(FieldVisitor& v) {
  v.field("height", height, "height of the model's input in pixels");
  v.field("width", width, "width of the model's input in pixels");
  v.field("channels", channels, "1 (gray) or 3 (RGB); images are converted");
  enum_field(v, "crop", crop, "how images are brought to the input size");
  v.field("scale_min", scale_min, "smallest area of a random_resized crop, as a share");
  v.field("scale_max", scale_max, "largest area of a random_resized crop, as a share");
  v.field("ratio_min", ratio_min, "smallest width / height of a random_resized crop");
  v.field("ratio_max", ratio_max, "largest width / height of a random_resized crop");
  v.field("pad_px", pad_px, "border added before a pad_crop or simple crop, in pixels");
  enum_field(v, "interpolation", interpolation, "resize filter");
  v.field("hflip", hflip, "probability of mirroring left and right");
  v.field("vflip", vflip, "probability of mirroring top and bottom");
  v.field("rand_augment", rand_augment, "RandAugment, e.g. \"rand-m9-mstd0.5-inc1\"; empty = off");
  v.field("three_augment", three_augment, "one of gray, solarize and blur per image (DeiT III)");
  v.field("color_jitter", color_jitter,
          "range of brightness, contrast and saturation; idle under rand_augment");
  v.field("hue_jitter", hue_jitter, "range of the hue shift, at most 0.5");
  v.field("jitter_prob", jitter_prob, "probability of the colour jitter");
  v.field("mean", mean, "mean per channel, of samples in 0..1");
  v.field("std", std, "standard deviation per channel, of samples in 0..1");
  v.field("erase_prob", erase_prob, "probability of random erasing");
  enum_field(v, "erase_mode", erase_mode, "what erased blocks are filled with");
  v.field("erase_count", erase_count, "largest number of erased blocks");
}

void TrainTransformOptions::validate() const {
  check_output(height, width, channels, mean, std);
  require(scale_min > 0.0 && scale_min <= scale_max, "scale_min", "above 0, at most scale_max",
          scale_min);
  require(scale_max <= 1.0, "scale_max", "at most 1", scale_max);
  require(ratio_min > 0.0 && ratio_min <= ratio_max, "ratio_min", "above 0, at most ratio_max",
          ratio_min);
  require(std::isfinite(ratio_max), "ratio_max", "finite", ratio_max);
  require(pad_px >= 0 && pad_px <= kMaxSide, "pad_px", "0 to 65536 pixels", pad_px);
  require(is_share(hflip), "hflip", "0 to 1", hflip);
  require(is_share(vflip), "vflip", "0 to 1", vflip);
  require(color_jitter >= 0.0 && color_jitter <= 10.0, "color_jitter", "0 to 10", color_jitter);
  require(hue_jitter >= 0.0 && hue_jitter <= 0.5, "hue_jitter", "0 to 0.5", hue_jitter);
  require(is_share(jitter_prob), "jitter_prob", "0 to 1", jitter_prob);
  require(is_share(erase_prob), "erase_prob", "0 to 1", erase_prob);
  require(erase_count >= 1 && erase_count <= 100, "erase_count", "1 to 100", erase_count);
  require(rand_augment.empty() || !three_augment, "three_augment", "off when rand_augment is set",
          three_augment);
  if (!rand_augment.empty()) static_cast<void>(parse_rand_augment(rand_augment));
}

void EvalTransformOptions::visit(FieldVisitor& v) {
  v.field("height", height, "height of the model's input in pixels");
  v.field("width", width, "width of the model's input in pixels");
  v.field("channels", channels, "1 (gray) or 3 (RGB); images are converted");
  v.field("resize_short", resize_short, "short side after resizing; 0 = size / crop_pct");
  v.field("crop_pct", crop_pct, "share of the resized side that the centre crop keeps");
  enum_field(v, "mode", mode,
             "center_crop, squash (to the size, ratio not kept) or as_is (no resizing)");
  enum_field(v, "interpolation", interpolation, "resize filter, bilinear or bicubic");
  v.field("mean", mean, "mean per channel, of samples in 0..1");
  v.field("std", std, "standard deviation per channel, of samples in 0..1");
}

void EvalTransformOptions::validate() const {
  check_output(height, width, channels, mean, std);
  require(resize_short >= 0 && resize_short <= kMaxSide, "resize_short", "0 to 65536 pixels",
          resize_short);
  require(crop_pct >= 0.01 && crop_pct <= 1.0, "crop_pct", "0.01 to 1", crop_pct);
  require(interpolation != Interpolation::kRandom, "interpolation", "bilinear or bicubic",
          enum_name(interpolation));
}

}  // namespace conopa::image

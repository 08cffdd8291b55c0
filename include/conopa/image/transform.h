#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conopa/core/fields.h"
#include "conopa/core/host_tensor.h"
#include "conopa/core/rng.h"
#include "conopa/image/image.h"

namespace conopa::image {

/// How a training image becomes the model's size.
enum class TrainCrop : std::uint8_t {
  kRandomResized,  ///< a random part of random area and ratio, scaled (ImageNet)
  kPadCrop,        ///< black border of pad_px, then a random window (small images)
  kResizeOnly,     ///< scaled to the size, ratio not kept
  kSimple          ///< short side scaled to the size, mirrored border of pad_px, random window
};
/// kAsIs: not resized; the centre is cut out, or surrounded by black.
enum class EvalMode : std::uint8_t { kCenterCrop, kSquash, kAsIs };
/// kRandom draws bilinear or bicubic per use.
enum class Interpolation : std::uint8_t { kBilinear, kBicubic, kRandom };
enum class EraseMode : std::uint8_t {
  kConst,  ///< zeros, that is the mean colour
  kRand,   ///< one normal value per block and channel
  kPixel   ///< normal noise per value
};

/// Everything that happens to a training image between decoding and the model.
struct TrainTransformOptions {
  std::int64_t height = 224;
  std::int64_t width = 224;
  std::int64_t channels = 3;  ///< 1 or 3; images are converted
  TrainCrop crop = TrainCrop::kRandomResized;
  double scale_min = 0.08;
  double scale_max = 1.0;
  double ratio_min = 3.0 / 4.0;
  double ratio_max = 4.0 / 3.0;
  std::int64_t pad_px = 4;
  Interpolation interpolation = Interpolation::kBicubic;
  double hflip = 0.5;
  double vflip = 0.0;
  std::string rand_augment;  ///< timm's spelling, e.g. "rand-m9-mstd0.5-inc1"; empty = off
  bool three_augment = false;
  double color_jitter = 0.0;  ///< brightness, contrast, saturation; idle under rand_augment
  double hue_jitter = 0.0;    ///< at most 0.5; goes with color_jitter
  double jitter_prob = 1.0;   ///< chance that the jitter is applied at all
  std::vector<double> mean = {0.485, 0.456, 0.406};
  std::vector<double> std = {0.229, 0.224, 0.225};
  double erase_prob = 0.0;
  EraseMode erase_mode = EraseMode::kPixel;
  std::int64_t erase_count = 1;

  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
};

/// What happens to an image before evaluation or inference; the content of
/// preprocessor_config.json.
struct EvalTransformOptions {
  std::int64_t height = 224;
  std::int64_t width = 224;
  std::int64_t channels = 3;
  std::int64_t resize_short = 0;  ///< pixels; 0 = size / crop_pct, rounded down
  double crop_pct = 0.875;
  EvalMode mode = EvalMode::kCenterCrop;
  Interpolation interpolation = Interpolation::kBicubic;
  std::vector<double> mean = {0.485, 0.456, 0.406};
  std::vector<double> std = {0.229, 0.224, 0.225};

  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
};

/// Turns a decoded image into a normalised tensor. Immutable and thread-safe; the result is a
/// function of the image and the generator alone.
class Transform {
 public:
  virtual ~Transform() = default;

  /// @param image  any size, 1, 3 or 4 channels (an Image converts to a view).
  /// @param out    [C, H, W] float32 of output_shape(), written completely.
  /// @throws ShapeError if `out` has another length or the image is too small for a pad crop.
  virtual void apply(const ImageView& image, Rng& rng, std::span<float> out) const = 0;

  /// {C, H, W}.
  [[nodiscard]] const Shape& output_shape() const noexcept { return shape_; }

 protected:
  explicit Transform(Shape shape) : shape_(std::move(shape)) {}
  /// @throws ShapeError unless `out` has the length of output_shape().
  void check_output(std::span<const float> out) const;

 private:
  Shape shape_;
};

/// Order and meaning as timm 0.5.4 (and DeiT III for three_augment): crop, flips, then one of
/// RandAugment, 3-Augment with jitter, or jitter; normalise; random erasing.
///
/// Images that already fit a kPadCrop or kResizeOnly without colour augmentation go straight from
/// their pixels to `out`, without allocation.
/// @throws ConfigError as options.validate().
[[nodiscard]] std::unique_ptr<Transform> make_train_transform(const TrainTransformOptions& options);

/// torchvision's Resize and CenterCrop: the long side is rounded down, odd margins are rounded to
/// the even offset, images smaller than the crop get a black border. For targets that are not
/// square the image is scaled so that it covers the target. Draws nothing from the generator.
/// @throws ConfigError as options.validate().
[[nodiscard]] std::unique_ptr<Transform> make_eval_transform(const EvalTransformOptions& options);

}  // namespace conopa::image

template <>
struct conopa::EnumNames<conopa::image::TrainCrop> {
  static constexpr std::array<std::string_view, 4> kNames = {"random_resized", "pad_crop",
                                                             "resize_only", "simple"};
};
template <>
struct conopa::EnumNames<conopa::image::EvalMode> {
  static constexpr std::array<std::string_view, 3> kNames = {"center_crop", "squash", "as_is"};
};
template <>
struct conopa::EnumNames<conopa::image::Interpolation> {
  static constexpr std::array<std::string_view, 3> kNames = {"bilinear", "bicubic", "random"};
};
template <>
struct conopa::EnumNames<conopa::image::EraseMode> {
  static constexpr std::array<std::string_view, 3> kNames = {"const", "rand", "pixel"};
};

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "conopa/core/rng.h"
#include "conopa/image/geometry.h"
#include "conopa/image/image.h"
#include "conopa/image/resize.h"

namespace conopa::image {

/// What a RandAugment string says, e.g. "rand-m9-mstd0.5-inc1".
struct RandAugmentSpec {
  int magnitude = 10;             ///< m: strength, 10 is the full range of every operation
  int layers = 2;                 ///< n: operations drawn per image
  bool weighted = false;          ///< w0: operations drawn by timm's weights, none twice
  bool increasing = false;        ///< inc1: strength grows away from the identity for all
  double magnitude_stddev = 0.0;  ///< mstd: normal noise; above 100: uniform in [0, magnitude]
  int magnitude_max = 10;         ///< mmax: upper bound of the noisy magnitude
  double probability = 0.5;       ///< p: chance that a drawn operation is applied

  friend bool operator==(const RandAugmentSpec&, const RandAugmentSpec&) = default;
};

/// Parses timm's spelling: "rand" and parts mN, nN, wN, incN, mstdX, mmaxN, pX joined by '-'.
/// Unlike timm, "inc0" means off and unknown parts are refused.
/// @throws ConfigError naming the part that is wrong.
[[nodiscard]] RandAugmentSpec parse_rand_augment(std::string_view text);

/// What the operations of RandAugment need beside their strength.
struct AugmentContext {
  Fill fill = {128, 128, 128, 128};     ///< for what comes from outside
  std::optional<Filter> interpolation;  ///< nothing: bilinear or bicubic at random per operation
};

/// RandAugment with timm's fifteen operations and level tables.
///
/// Order of draws per image: the operations; then per operation whether it is applied, the
/// interpolation, the noise of the magnitude and the sign.
/// @source timm 0.5.4 auto_augment; Cubuk et al., arXiv 1909.13719.
class RandAugment {
 public:
  RandAugment(const RandAugmentSpec& spec, const AugmentContext& context);
  /// @throws ShapeError for an image with alpha. Thread-safe.
  [[nodiscard]] Image apply(Image image, Rng& rng) const;

 private:
  RandAugmentSpec spec_;
  AugmentContext context_;
};

/// The operations of RandAugment.
enum class AugmentOp : std::uint8_t {
  kAutoContrast,
  kEqualize,
  kInvert,
  kRotate,
  kPosterize,
  kSolarize,
  kSolarizeAdd,
  kColor,
  kContrast,
  kBrightness,
  kSharpness,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY
};
inline constexpr int kAugmentOps = 15;

/// The argument of an operation at a magnitude of 0 to 10: degrees, bits, threshold, addend,
/// factor, shear or share of the side. Operations without one give 0.
/// @param negate  mirrors the arguments that have a sign.
[[nodiscard]] double augment_argument(AugmentOp op, double magnitude, bool increasing, bool negate);

/// 3-Augment: one of gray, solarize (128) and Gaussian blur (radius 0.1 to 2), all equally likely.
/// @source DeiT III, arXiv 2204.07118.
[[nodiscard]] Image three_augment(Image image, Rng& rng);

/// Ranges of random colour changes; a factor is drawn from [max(0, 1 - x), 1 + x].
struct ColorJitter {
  double brightness = 0.0;
  double contrast = 0.0;
  double saturation = 0.0;
  double hue = 0.0;  ///< shift from [-hue, hue], at most 0.5
};
/// Applies the changes with a non-zero range in random order (torchvision ColorJitter).
[[nodiscard]] Image color_jitter(Image image, const ColorJitter& jitter, Rng& rng);

/// A part of an image in whole pixels.
struct Window {
  std::int64_t left = 0;
  std::int64_t top = 0;
  std::int64_t width = 0;
  std::int64_t height = 0;
  friend bool operator==(const Window&, const Window&) = default;
};

/// Shares of the area and the side ratio (width / height) that a random window may have.
struct WindowRange {
  double scale_min = 0.08;
  double scale_max = 1.0;
  double ratio_min = 3.0 / 4.0;
  double ratio_max = 4.0 / 3.0;
};
/// A window of uniform area and log-uniform ratio; after ten that do not fit, the largest central
/// one with an allowed ratio.
/// @source timm 0.5.4 RandomResizedCropAndInterpolation.
[[nodiscard]] Window random_resized_window(Size size, const WindowRange& range, Rng& rng);

}  // namespace conopa::image

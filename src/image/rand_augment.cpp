#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>

#include "conopa/core/error.h"
#include "conopa/image/augment.h"
#include "conopa/image/ops.h"

namespace conopa::image {
namespace {

constexpr double kFullMagnitude = 10.0;

/// timm's choice weights "0", in the order of AugmentOp.
constexpr std::array<double, kAugmentOps> kWeights = {
    0.025, 0.005, 0.0, 0.3, 0.0, 0.005, 0.005, 0.025, 0.005, 0.005, 0.025, 0.2, 0.2, 0.1, 0.1};

[[noreturn]] void refuse(std::string_view text, std::string_view part, std::string_view why) {
  throw ConfigError("rand_augment",
                    "cannot read \"{}\" in \"{}\": {}; expected a form like rand-m9-mstd0.5-inc1",
                    part, text, why);
}

template <typename Number>
Number parse_number(std::string_view text, std::string_view part, std::string_view digits,
                    Number low, Number high) {
  Number value{};
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || stop != end) refuse(text, part, "not a number");
  if (!(value >= low && value <= high)) {
    refuse(text, part, fmt::format("must be {} to {}", low, high));
  }
  return value;
}

void parse_part(std::string_view text, std::string_view part, RandAugmentSpec& spec) {
  const std::size_t split = std::min(part.find_first_of("0123456789."), part.size());
  const std::string_view key = part.substr(0, split);
  const auto integer = [&](int low, int high) {
    return parse_number<int>(text, part, part.substr(split), low, high);
  };
  const auto real = [&](double low, double high) {
    return parse_number<double>(text, part, part.substr(split), low, high);
  };
  if (key == "m") {
    spec.magnitude = integer(0, 100);
  } else if (key == "n") {
    spec.layers = integer(0, 100);
  } else if (key == "w") {
    integer(0, 0);  // the only set of weights there is
    spec.weighted = true;
  } else if (key == "inc") {
    spec.increasing = integer(0, 1) == 1;
  } else if (key == "mstd") {
    spec.magnitude_stddev = real(0.0, 1e9);
  } else if (key == "mmax") {
    spec.magnitude_max = integer(1, 100);
  } else if (key == "p") {
    spec.probability = real(0.0, 1.0);
  } else {
    refuse(text, part, "unknown part");
  }
}

/// Different operations, each drawn by its weight among those left.
void draw_weighted(Rng& rng, int count, std::vector<AugmentOp>& ops) {
  std::array<double, kAugmentOps> weights = kWeights;
  for (int i = 0; i < count; ++i) {
    double rest = rng.uniform(0.0, std::accumulate(weights.begin(), weights.end(), 0.0));
    std::optional<std::size_t> chosen;
    for (std::size_t k = 0; k < weights.size() && rest >= 0.0; ++k) {
      if (weights[k] == 0.0) continue;
      chosen = k;
      rest -= weights[k];
    }
    if (!chosen) return;  // every operation that has a weight is drawn
    ops.push_back(static_cast<AugmentOp>(*chosen));
    weights[*chosen] = 0.0;
  }
}

double noisy_magnitude(const RandAugmentSpec& spec, Rng& rng) {
  double magnitude = spec.magnitude;
  if (spec.magnitude_stddev > 100.0) {
    magnitude = rng.uniform(0.0, magnitude);
  } else if (spec.magnitude_stddev > 0.0) {
    magnitude = rng.normal(magnitude, spec.magnitude_stddev);
  }
  return std::clamp(magnitude, 0.0, static_cast<double>(spec.magnitude_max));
}

Image apply_op(AugmentOp op, double argument, Filter filter, const AugmentContext& context,
               Image image) {
  const Fill& fill = context.fill;
  const int whole = static_cast<int>(argument);
  switch (op) {
    case AugmentOp::kAutoContrast:
      return autocontrast(std::move(image));
    case AugmentOp::kEqualize:
      return equalize(std::move(image));
    case AugmentOp::kInvert:
      return invert(std::move(image));
    case AugmentOp::kRotate:
      return rotate(image, argument, filter, fill);
    case AugmentOp::kPosterize:
      return posterize(std::move(image), std::clamp(whole, 0, 8));
    case AugmentOp::kSolarize:
      return solarize(std::move(image), whole);
    case AugmentOp::kSolarizeAdd:
      return solarize_add(std::move(image), whole);
    case AugmentOp::kColor:
      return adjust_color(std::move(image), argument);
    case AugmentOp::kContrast:
      return adjust_contrast(std::move(image), argument);
    case AugmentOp::kBrightness:
      return adjust_brightness(std::move(image), argument);
    case AugmentOp::kSharpness:
      return adjust_sharpness(std::move(image), argument);
    case AugmentOp::kShearX:
      return shear_x(image, argument, filter, fill);
    case AugmentOp::kShearY:
      return shear_y(image, argument, filter, fill);
    case AugmentOp::kTranslateX:
      return translate_x(image, argument * static_cast<double>(image.width), filter, fill);
    case AugmentOp::kTranslateY:
      return translate_y(image, argument * static_cast<double>(image.height), filter, fill);
  }
  return image;
}

}  // namespace

RandAugmentSpec parse_rand_augment(std::string_view text) {
  RandAugmentSpec spec;
  std::string_view rest = text;
  bool first = true;
  while (first || !rest.empty()) {
    const std::size_t dash = rest.find('-');
    const std::string_view part = rest.substr(0, dash);
    rest = dash == std::string_view::npos ? std::string_view() : rest.substr(dash + 1);
    if (first && part != "rand") refuse(text, part, "must start with \"rand\"");
    if (!first) parse_part(text, part, spec);
    first = false;
  }
  return spec;
}

double augment_argument(AugmentOp op, double magnitude, bool increasing, bool negate) {
  const double level = magnitude / kFullMagnitude;
  const double sign = negate ? -1.0 : 1.0;
  switch (op) {
    case AugmentOp::kAutoContrast:
    case AugmentOp::kEqualize:
    case AugmentOp::kInvert:
      return 0.0;
    case AugmentOp::kRotate:
      return sign * (level * 30.0);
    case AugmentOp::kPosterize: {
      const double bits = std::trunc(level * 4.0);
      return increasing ? 4.0 - bits : bits;
    }
    case AugmentOp::kSolarize: {
      const double threshold = std::trunc(level * 256.0);
      return increasing ? 256.0 - threshold : threshold;
    }
    case AugmentOp::kSolarizeAdd:
      return std::trunc(level * 110.0);
    case AugmentOp::kColor:
    case AugmentOp::kContrast:
    case AugmentOp::kBrightness:
    case AugmentOp::kSharpness:
      return increasing ? std::max(0.1, 1.0 + sign * (level * 0.9)) : level * 1.8 + 0.1;
    case AugmentOp::kShearX:
    case AugmentOp::kShearY:
      return sign * (level * 0.3);
    case AugmentOp::kTranslateX:
    case AugmentOp::kTranslateY:
      return sign * (level * 0.45);
  }
  return 0.0;
}

RandAugment::RandAugment(const RandAugmentSpec& spec, const AugmentContext& context)
    : spec_(spec), context_(context) {}

Image RandAugment::apply(Image image, Rng& rng) const {
  std::vector<AugmentOp> ops;
  if (spec_.weighted) {
    draw_weighted(rng, spec_.layers, ops);
  } else {
    for (int i = 0; i < spec_.layers; ++i) {
      ops.push_back(static_cast<AugmentOp>(rng.below(kAugmentOps)));
    }
  }
  for (const AugmentOp op : ops) {
    if (!rng.bernoulli(spec_.probability)) continue;
    const bool bicubic =
        context_.interpolation ? *context_.interpolation == Filter::kBicubic : rng.bernoulli(0.5);
    const double magnitude = noisy_magnitude(spec_, rng);
    const double argument = augment_argument(op, magnitude, spec_.increasing, rng.bernoulli(0.5));
    image = apply_op(op, argument, bicubic ? Filter::kBicubic : Filter::kBilinear, context_,
                     std::move(image));
  }
  return image;
}

}  // namespace conopa::image

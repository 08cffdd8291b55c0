#include "conopa/data/mixup.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "conopa/core/error.h"

namespace conopa::data {
namespace {

void require(bool valid, std::string_view name, double value, std::string_view range) {
  if (!valid) throw ConfigError("mixup", "{} must be {}, got {}", name, range, value);
}

// A box of random side fractions, fully inside the image.
Mix::Box draw_inner_box(const MixupOptions& o, std::int64_t height, std::int64_t width, Rng& rng) {
  const auto side = [&](std::int64_t size) {
    const auto low = static_cast<std::int64_t>(static_cast<double>(size) * o.cutmix_min);
    const auto high = static_cast<std::int64_t>(static_cast<double>(size) * o.cutmix_max);
    return low + rng.below(std::max<std::int64_t>(1, high - low));
  };
  const std::int64_t cut_height = side(height);
  const std::int64_t cut_width = side(width);
  const std::int64_t top = rng.below(std::max<std::int64_t>(1, height - cut_height));
  const std::int64_t left = rng.below(std::max<std::int64_t>(1, width - cut_width));
  return {top, top + cut_height, left, left + cut_width};
}

// A box of area (1 - ratio) around a random centre, clipped by the borders.
Mix::Box draw_clipped_box(double ratio, std::int64_t height, std::int64_t width, Rng& rng) {
  const double side = std::sqrt(1.0 - ratio);
  const std::int64_t half_height =
      static_cast<std::int64_t>(static_cast<double>(height) * side) / 2;
  const std::int64_t half_width = static_cast<std::int64_t>(static_cast<double>(width) * side) / 2;
  const std::int64_t y = rng.below(height);
  const std::int64_t x = rng.below(width);
  return {std::max<std::int64_t>(0, y - half_height), std::min(height, y + half_height),
          std::max<std::int64_t>(0, x - half_width), std::min(width, x + half_width)};
}

Mix draw_mix(const MixupOptions& o, std::int64_t height, std::int64_t width, Rng& rng) {
  const bool ranged = o.cutmix_max > 0.0;
  const bool cuts = ranged || o.cutmix_alpha > 0.0;
  const bool mixed = rng.bernoulli(o.prob);
  const bool cut = cuts && (o.mixup_alpha <= 0.0 || rng.bernoulli(o.switch_prob));
  if (!mixed) return {};
  if (!cut) return {.ratio = rng.beta(o.mixup_alpha, o.mixup_alpha), .box = std::nullopt};

  const double alpha = ranged ? 1.0 : o.cutmix_alpha;
  Mix mix{.ratio = rng.beta(alpha, alpha), .box = std::nullopt};
  if (mix.ratio == 1.0) return mix;
  const Mix::Box box = ranged ? draw_inner_box(o, height, width, rng)
                              : draw_clipped_box(mix.ratio, height, width, rng);
  if (ranged || o.correct_ratio) {
    const auto area = static_cast<double>((box.bottom - box.top) * (box.right - box.left));
    mix.ratio = 1.0 - area / static_cast<double>(height * width);
  }
  mix.box = box;
  return mix;
}

// Blends two images into each other; every pixel pair is read before it is written.
void blend_pair(double ratio_a, double ratio_b, std::span<float> a, std::span<float> b) {
  const auto keep_a = static_cast<float>(ratio_a);
  const auto take_a = static_cast<float>(1.0 - ratio_a);
  const auto keep_b = static_cast<float>(ratio_b);
  const auto take_b = static_cast<float>(1.0 - ratio_b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float x = a[i];
    const float y = b[i];
    a[i] = x * keep_a + y * take_a;
    b[i] = y * keep_b + x * take_b;
  }
}

bool contains(const Mix& mix, std::int64_t y, std::int64_t x) {
  return mix.box && y >= mix.box->top && y < mix.box->bottom && x >= mix.box->left &&
         x < mix.box->right;
}

// The general pair, where at least one side has a box: what a pixel of `mix` becomes.
float mixed_pixel(const Mix& mix, bool inside, float own, float partner) {
  if (mix.box) return inside ? partner : own;
  return own * static_cast<float>(mix.ratio) + partner * static_cast<float>(1.0 - mix.ratio);
}

void cut_pair(const Mix& mix_a, const Mix& mix_b, std::int64_t height, std::int64_t width,
              std::span<float> a, std::span<float> b) {
  std::size_t i = 0;
  while (i < a.size()) {  // once per channel
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x, ++i) {
        const float own_a = a[i];
        const float own_b = b[i];
        a[i] = mixed_pixel(mix_a, contains(mix_a, y, x), own_a, own_b);
        b[i] = mixed_pixel(mix_b, contains(mix_b, y, x), own_b, own_a);
      }
    }
  }
}

// The usual pair: both sides share one box, so its rows swap.
void swap_box(const Mix::Box& box, std::int64_t height, std::int64_t width, std::span<float> a,
              std::span<float> b) {
  const auto channels = static_cast<std::int64_t>(a.size()) / (height * width);
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t y = box.top; y < box.bottom; ++y) {
      const std::int64_t row = (c * height + y) * width;
      std::swap_ranges(a.begin() + row + box.left, a.begin() + row + box.right,
                       b.begin() + row + box.left);
    }
  }
}

void add_label(std::span<float> row, std::int64_t label, std::int64_t num_classes, float weight) {
  if (label < 0 || label >= num_classes) {
    throw FormatError("mixup", "label {} is outside 0..{}; check num_classes and the dataset",
                      label, num_classes - 1);
  }
  row[static_cast<std::size_t>(label)] += weight;
}

}  // namespace

void MixupOptions::validate() const {
  constexpr std::string_view kFraction = "between 0 and 1";
  require(mixup_alpha >= 0.0 && std::isfinite(mixup_alpha), "mixup_alpha", mixup_alpha,
          "0 or more");
  require(cutmix_alpha >= 0.0 && std::isfinite(cutmix_alpha), "cutmix_alpha", cutmix_alpha,
          "0 or more");
  require(cutmix_min >= 0.0 && cutmix_min <= cutmix_max, "cutmix_min", cutmix_min,
          "between 0 and cutmix_max");
  require(cutmix_max <= 1.0, "cutmix_max", cutmix_max, kFraction);
  require(prob >= 0.0 && prob <= 1.0, "prob", prob, kFraction);
  require(switch_prob >= 0.0 && switch_prob <= 1.0, "switch_prob", switch_prob, kFraction);
  require(label_smoothing >= 0.0 && label_smoothing < 1.0, "label_smoothing", label_smoothing,
          "at least 0 and below 1");
}

void MixupOptions::visit(FieldVisitor& v) {
  v.field("mixup_alpha", mixup_alpha, "mixup strength; 0 = off");
  v.field("cutmix_alpha", cutmix_alpha, "cutmix strength; 0 = off");
  v.field("cutmix_min", cutmix_min, "smallest box side as a fraction; with cutmix_max");
  v.field("cutmix_max", cutmix_max, "largest box side as a fraction; 0 = sides from cutmix_alpha");
  v.field("prob", prob, "probability that a batch is mixed");
  v.field("switch_prob", switch_prob, "probability of cutmix where mixup is on too");
  enum_field(v, "mode", mode, "one ratio per batch, per sample (elem) or per pair");
  v.field("correct_ratio", correct_ratio, "weigh labels by the clipped cutmix box");
  v.field("label_smoothing", label_smoothing, "share of the target spread over all classes");
}

bool MixupOptions::mixes() const noexcept {
  return prob > 0.0 && (mixup_alpha > 0.0 || cutmix_alpha > 0.0 || cutmix_max > 0.0);
}

std::vector<Mix> draw_mixes(const MixupOptions& options, std::int64_t batch, std::int64_t height,
                            std::int64_t width, Rng& rng) {
  std::vector<Mix> mixes(static_cast<std::size_t>(batch));
  if (!options.mixes() || mixes.empty()) return mixes;
  switch (options.mode) {
    case MixMode::kBatch: {
      const Mix mix = draw_mix(options, height, width, rng);
      std::fill(mixes.begin(), mixes.end(), mix);
      break;
    }
    case MixMode::kElem:
      for (Mix& mix : mixes) mix = draw_mix(options, height, width, rng);
      break;
    case MixMode::kPair:
      for (std::size_t i = 0; i < mixes.size() / 2; ++i) {
        mixes[i] = draw_mix(options, height, width, rng);
        mixes[mixes.size() - 1 - i] = mixes[i];
      }
      break;
  }
  return mixes;
}

void mix_images(std::span<const Mix> mixes, std::int64_t channels, std::int64_t height,
                std::int64_t width, std::span<float> images) {
  const auto pixels = static_cast<std::size_t>(channels * height * width);
  CONOPA_ASSERT(images.size() == mixes.size() * pixels);
  for (std::size_t i = 0; i < mixes.size() / 2; ++i) {
    const std::size_t j = mixes.size() - 1 - i;
    const Mix& mix_a = mixes[i];
    const Mix& mix_b = mixes[j];
    if (mix_a.ratio == 1.0 && mix_b.ratio == 1.0) continue;
    const std::span<float> a = images.subspan(i * pixels, pixels);
    const std::span<float> b = images.subspan(j * pixels, pixels);
    if (!mix_a.box && !mix_b.box) {
      blend_pair(mix_a.ratio, mix_b.ratio, a, b);
    } else if (mix_a.box == mix_b.box) {
      swap_box(*mix_a.box, height, width, a, b);
    } else {
      cut_pair(mix_a, mix_b, height, width, a, b);
    }
  }
}

void soft_targets(std::span<const Mix> mixes, std::span<const std::int64_t> labels,
                  std::int64_t num_classes, double label_smoothing, std::span<float> targets) {
  const auto width = static_cast<std::size_t>(num_classes);
  CONOPA_ASSERT(targets.size() == labels.size() * width);
  CONOPA_ASSERT(mixes.empty() || mixes.size() == labels.size());
  const double off = label_smoothing / static_cast<double>(num_classes);
  const double peak = 1.0 - label_smoothing;  // what the label's own place has above the others
  std::fill(targets.begin(), targets.end(), static_cast<float>(off));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double ratio = mixes.empty() ? 1.0 : mixes[i].ratio;
    const std::span<float> row = targets.subspan(i * width, width);
    add_label(row, labels[i], num_classes, static_cast<float>(peak * ratio));
    add_label(row, labels[labels.size() - 1 - i], num_classes,
              static_cast<float>(peak * (1.0 - ratio)));
  }
}

}  // namespace conopa::data

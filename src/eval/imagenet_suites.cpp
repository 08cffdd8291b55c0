#include "conopa/eval/imagenet_suites.h"

#include <algorithm>

#include "conopa/core/error.h"

namespace conopa::eval {
namespace {

constexpr std::array<std::int16_t, kImageNetSubset> kImageNetA = {
    6,   11,  13,  15,  17,  22,  23,  27,  30,  37,  39,  42,  47,  50,  57,  70,  71,  76,  79,
    89,  90,  94,  96,  97,  99,  105, 107, 108, 110, 113, 124, 125, 130, 132, 143, 144, 150, 151,
    207, 234, 235, 254, 277, 283, 287, 291, 295, 298, 301, 306, 307, 308, 309, 310, 311, 313, 314,
    315, 317, 319, 323, 324, 326, 327, 330, 334, 335, 336, 347, 361, 363, 372, 378, 386, 397, 400,
    401, 402, 404, 407, 411, 416, 417, 420, 425, 428, 430, 437, 438, 445, 456, 457, 461, 462, 470,
    472, 483, 486, 488, 492, 496, 514, 516, 528, 530, 539, 542, 543, 549, 552, 557, 561, 562, 569,
    572, 573, 575, 579, 589, 606, 607, 609, 614, 626, 627, 640, 641, 642, 643, 658, 668, 677, 682,
    684, 687, 701, 704, 719, 736, 746, 749, 752, 758, 763, 765, 768, 773, 774, 776, 779, 780, 786,
    792, 797, 802, 803, 804, 813, 815, 820, 823, 831, 833, 835, 839, 845, 847, 850, 859, 862, 870,
    879, 880, 888, 890, 897, 900, 907, 913, 924, 932, 933, 934, 937, 943, 945, 947, 951, 954, 956,
    957, 959, 971, 972, 980, 981, 984, 986, 987, 988};

constexpr std::array<std::int16_t, kImageNetSubset> kImageNetR = {
    1,   2,   4,   6,   8,   9,   11,  13,  22,  23,  26,  29,  31,  39,  47,  63,  71,  76,  79,
    84,  90,  94,  96,  97,  99,  100, 105, 107, 113, 122, 125, 130, 132, 144, 145, 147, 148, 150,
    151, 155, 160, 161, 162, 163, 171, 172, 178, 187, 195, 199, 203, 207, 208, 219, 231, 232, 234,
    235, 242, 245, 247, 250, 251, 254, 259, 260, 263, 265, 267, 269, 276, 277, 281, 288, 289, 291,
    292, 293, 296, 299, 301, 308, 309, 310, 311, 314, 315, 319, 323, 327, 330, 334, 335, 337, 338,
    340, 341, 344, 347, 353, 355, 361, 362, 365, 366, 367, 368, 372, 388, 390, 393, 397, 401, 407,
    413, 414, 425, 428, 430, 435, 437, 441, 447, 448, 457, 462, 463, 469, 470, 471, 472, 476, 483,
    487, 515, 546, 555, 558, 570, 579, 583, 587, 593, 594, 596, 609, 613, 617, 621, 629, 637, 657,
    658, 701, 717, 724, 763, 768, 774, 776, 779, 780, 787, 805, 812, 815, 820, 824, 833, 847, 852,
    866, 875, 883, 889, 895, 907, 928, 931, 932, 933, 934, 936, 937, 943, 945, 947, 948, 949, 951,
    953, 954, 957, 963, 965, 967, 980, 981, 983, 988};

// Errors of AlexNet, mean over the five severities.
constexpr std::array<Corruption, kCorruptions> kAlexNet = {{
    {"gaussian_noise", 0.886428},
    {"shot_noise", 0.894468},
    {"impulse_noise", 0.92264},
    {"defocus_blur", 0.81988},
    {"glass_blur", 0.826268},
    {"motion_blur", 0.785948},
    {"zoom_blur", 0.79836},
    {"snow", 0.866816},
    {"frost", 0.826572},
    {"fog", 0.819324},
    {"brightness", 0.564592},
    {"contrast", 0.853204},
    {"elastic_transform", 0.646056},
    {"pixelate", 0.71784},
    {"jpeg_compression", 0.6065},
}};

}  // namespace

std::span<const std::int16_t, kImageNetSubset> imagenet_a_classes() noexcept { return kImageNetA; }

std::span<const std::int16_t, kImageNetSubset> imagenet_r_classes() noexcept { return kImageNetR; }

std::span<const Corruption, kCorruptions> imagenet_corruptions() noexcept { return kAlexNet; }

std::vector<float> restricted(std::span<const float> logits, std::int64_t num_classes,
                              std::span<const std::int16_t> classes) {
  if (num_classes < 1 || std::ssize(logits) % num_classes != 0 || classes.empty() ||
      std::ranges::any_of(classes, [&](std::int16_t k) { return k < 0 || k >= num_classes; })) {
    throw ShapeError("suite",
                     "expected rows of {} logits and classes below, got {} logits and {} "
                     "classes",
                     num_classes, logits.size(), classes.size());
  }
  std::vector<float> out;
  out.reserve(logits.size() / static_cast<std::size_t>(num_classes) * classes.size());
  for (std::size_t row = 0; row < logits.size(); row += static_cast<std::size_t>(num_classes)) {
    for (const std::int16_t k : classes) out.push_back(logits[row + static_cast<std::size_t>(k)]);
  }
  return out;
}

void CorruptionScores::add(std::string_view corruption, std::int64_t severity, double accuracy) {
  const auto place = std::ranges::find(kAlexNet, corruption, &Corruption::name);
  if (place == kAlexNet.end() || severity < 1 || severity > kSeverities) {
    throw ConfigError("suite",
                      "expected a corruption of ImageNet-C and a severity from 1 to {}, "
                      "got {} {}",
                      kSeverities, corruption, severity);
  }
  if (!(accuracy >= 0.0 && accuracy <= 1.0)) {
    throw ConfigError("suite", "expected an accuracy from 0 to 1, got {}", accuracy);
  }
  accuracies_[static_cast<std::size_t>(place - kAlexNet.begin())]
             [static_cast<std::size_t>(severity - 1)] = accuracy;
}

std::optional<double> CorruptionScores::accuracy(std::size_t corruption) const {
  double sum = 0.0;
  for (const std::optional<double>& accuracy : accuracies_.at(corruption)) {
    if (!accuracy) return std::nullopt;
    sum += *accuracy;
  }
  return sum / static_cast<double>(kSeverities);
}

std::optional<double> CorruptionScores::mean_accuracy() const {
  double sum = 0.0;
  for (std::size_t i = 0; i < kCorruptions; ++i) {
    const std::optional<double> one = accuracy(i);
    if (!one) return std::nullopt;
    sum += *one;
  }
  return sum / static_cast<double>(kCorruptions);
}

std::optional<double> CorruptionScores::mce() const {
  double sum = 0.0;
  for (std::size_t i = 0; i < kCorruptions; ++i) {
    const std::optional<double> one = accuracy(i);
    if (!one) return std::nullopt;
    sum += (1.0 - *one) / kAlexNet[i].alexnet_error;
  }
  return sum / static_cast<double>(kCorruptions);
}

}  // namespace conopa::eval

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace conopa::eval {

/// Classes of ImageNet-A and of ImageNet-R.
inline constexpr std::size_t kImageNetSubset = 200;

/// The classes of a subset among the 1000 of ImageNet-1K (sorted by WordNet number), ascending, so
/// that the k-th class folder of the subset is the k-th of them.
/// @source Hendrycks et al., "Natural adversarial examples" (ImageNet-A) and "The many faces of
///         robustness" (ImageNet-R).
[[nodiscard]] std::span<const std::int16_t, kImageNetSubset> imagenet_a_classes() noexcept;
[[nodiscard]] std::span<const std::int16_t, kImageNetSubset> imagenet_r_classes() noexcept;

/// Logits of some classes alone.
/// @param logits   [B, num_classes].
/// @param classes  each below num_classes.
/// @return         [B, classes].
/// @throws ShapeError if the sizes do not fit or a class is out of range.
[[nodiscard]] std::vector<float> restricted(std::span<const float> logits, std::int64_t num_classes,
                                            std::span<const std::int16_t> classes);

inline constexpr std::size_t kCorruptions = 15;
inline constexpr std::int64_t kSeverities = 5;

/// A corruption of ImageNet-C.
struct Corruption {
  std::string_view name;       ///< of its folder
  double alexnet_error = 0.0;  ///< share in [0, 1], mean over severities
};

/// The corruptions that mCE counts.
/// @source Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions
///         and perturbations", 2019.
[[nodiscard]] std::span<const Corruption, kCorruptions> imagenet_corruptions() noexcept;

/// Accuracies on ImageNet-C.
class CorruptionScores {
 public:
  /// @param severity  1 to 5.
  /// @param accuracy  top-1, a share.
  /// @throws ConfigError for another corruption, severity or share.
  void add(std::string_view corruption, std::int64_t severity, double accuracy);

  /// Mean over the severities of a corruption by its place in imagenet_corruptions(); nothing if
  /// one is missing.
  [[nodiscard]] std::optional<double> accuracy(std::size_t corruption) const;
  /// Mean over all corruptions and severities; nothing if one is missing.
  [[nodiscard]] std::optional<double> mean_accuracy() const;
  /// Mean over corruptions of error / AlexNet's error, 1 for AlexNet; nothing if one is missing.
  [[nodiscard]] std::optional<double> mce() const;

 private:
  std::array<std::array<std::optional<double>, kSeverities>, kCorruptions> accuracies_{};
};

}  // namespace conopa::eval

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conopa::eval {

/// Equal-width confidence bins of the calibration protocol.
/// @source Vishniakov et al., "ConvNet vs Transformer, Supervised vs CLIP" (the protocol of
/// iLLaMA's table 8).
inline constexpr int kCalibrationBins = 15;

/// One confidence bin (low, high]; a confidence of exactly 0 belongs to the first.
struct CalibrationBin {
  double low = 0.0;
  double high = 0.0;
  std::int64_t count = 0;
  double confidence = 0.0;  ///< mean of the largest softmax value, 0 if empty
  double accuracy = 0.0;    ///< share of right predictions, 0 if empty
};

/// How well confidence predicts being right.
struct Calibration {
  std::vector<CalibrationBin> bins;  ///< kCalibrationBins, ascending
  double ece = 0.0;                  ///< Σ count/total · |confidence − accuracy|
  double mce = 0.0;                  ///< largest gap of a non-empty bin
};

/// One-against-all counts of a class.
struct ClassScores {
  std::int64_t support = 0;    ///< samples with this label
  std::int64_t predicted = 0;  ///< samples predicted as this class
  std::int64_t correct = 0;    ///< both

  /// Share of the class's samples that were found; nothing without support. For a single-label
  /// task this is also the class's accuracy.
  [[nodiscard]] std::optional<double> recall() const;
  /// Share of the predictions that were right; nothing without predictions.
  [[nodiscard]] std::optional<double> precision() const;
  /// Harmonic mean of both, 2·correct/(support+predicted); nothing if both counts are 0.
  [[nodiscard]] std::optional<double> f1() const;
};

/// How often one class was taken for another.
struct ConfusedPair {
  std::int64_t truth = 0;
  std::int64_t predicted = 0;
  std::int64_t count = 0;
  double share = 0.0;  ///< of the true class's samples
};

/// Everything an evaluation of a single-label classifier yields; plain values.
struct ClassificationResult {
  std::int64_t num_classes = 0;
  std::int64_t samples = 0;
  /// Rows whose logits held NaN or infinity: counted as wrong in both accuracies and in the
  /// classes' support, left out of loss, calibration and confusion.
  std::int64_t non_finite = 0;
  double top1 = 0.0;  ///< share in [0, 1]
  double top5 = 0.0;  ///< share with the label among the first top_k classes
  int top_k = 5;      ///< 5, or the number of classes if smaller
  double loss = 0.0;  ///< mean cross entropy in nats, without label smoothing
  Calibration calibration;
  std::vector<ClassScores> classes;
  /// [K, K] counts, row = truth, column = prediction; empty above kMaxConfusionClasses classes.
  std::vector<std::int64_t> confusion;

  [[nodiscard]] bool has_confusion() const noexcept { return !confusion.empty(); }
  /// Unweighted mean F1 over the classes that occur as label or prediction; 0 if none.
  [[nodiscard]] double macro_f1() const;
  /// Mean recall over the classes with support (balanced accuracy); 0 if none.
  [[nodiscard]] double balanced_accuracy() const;
  /// The most frequent confusions, most first (ties by truth, then prediction), at most `limit`.
  [[nodiscard]] std::vector<ConfusedPair> worst_pairs(std::size_t limit) const;
};

/// Largest class count whose K×K confusion matrix is kept (32 MB of counts).
inline constexpr std::int64_t kMaxConfusionClasses = 2048;

/// One JSON object; the confusion matrix is written as [truth, predicted, count] triples.
[[nodiscard]] std::string to_json(const ClassificationResult& result);

/// Inverse of to_json.
/// @throws FormatError on malformed text, missing fields or indices outside the classes.
[[nodiscard]] ClassificationResult classification_result_from_json(std::string_view text);

}  // namespace conopa::eval

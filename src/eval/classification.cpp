#include "conopa/eval/classification.h"

#include <algorithm>
#include <tuple>

namespace conopa::eval {
namespace {

std::optional<double> ratio(std::int64_t numerator, std::int64_t denominator) {
  if (denominator == 0) return std::nullopt;
  return static_cast<double>(numerator) / static_cast<double>(denominator);
}

/// Mean over the classes for which `score` has a value.
template <typename Score>
double mean_over_classes(const std::vector<ClassScores>& classes, Score score) {
  double sum = 0.0;
  std::int64_t count = 0;
  for (const ClassScores& scores : classes) {
    if (const std::optional<double> value = score(scores)) {
      sum += *value;
      ++count;
    }
  }
  return count == 0 ? 0.0 : sum / static_cast<double>(count);
}

}  // namespace

std::optional<double> ClassScores::recall() const { return ratio(correct, support); }
std::optional<double> ClassScores::precision() const { return ratio(correct, predicted); }
std::optional<double> ClassScores::f1() const { return ratio(2 * correct, support + predicted); }

double ClassificationResult::macro_f1() const {
  return mean_over_classes(classes, [](const ClassScores& s) { return s.f1(); });
}

double ClassificationResult::balanced_accuracy() const {
  return mean_over_classes(classes, [](const ClassScores& s) { return s.recall(); });
}

std::vector<ConfusedPair> ClassificationResult::worst_pairs(std::size_t limit) const {
  std::vector<ConfusedPair> pairs;
  for (std::int64_t cell = 0; cell < static_cast<std::int64_t>(confusion.size()); ++cell) {
    const std::int64_t truth = cell / num_classes;
    const std::int64_t predicted = cell % num_classes;
    const std::int64_t count = confusion[static_cast<std::size_t>(cell)];
    if (truth == predicted || count == 0) continue;
    const std::int64_t support = classes[static_cast<std::size_t>(truth)].support;
    pairs.push_back({truth, predicted, count, ratio(count, support).value_or(0.0)});
  }
  const auto kept = pairs.begin() + static_cast<std::ptrdiff_t>(std::min(limit, pairs.size()));
  std::partial_sort(pairs.begin(), kept, pairs.end(),
                    [](const ConfusedPair& a, const ConfusedPair& b) {
                      return std::tuple(-a.count, a.truth, a.predicted) <
                             std::tuple(-b.count, b.truth, b.predicted);
                    });
  pairs.erase(kept, pairs.end());
  return pairs;
}

}  // namespace conopa::eval

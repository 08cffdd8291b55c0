#include "conopa/eval/classification_meter.h"

#include <algorithm>
#include <cmath>

#include "conopa/core/error.h"

namespace conopa::eval {
namespace {

constexpr std::int64_t kTopK = 5;

/// Upper edge of bin i, 1-based; computed as i/15 so that the last edge is exactly 1.
double bin_edge(int i) { return static_cast<double>(i) / kCalibrationBins; }

/// Index of the bin (low, high] that holds the confidence.
std::size_t bin_of(double confidence) {
  int bin = 0;
  while (bin < kCalibrationBins - 1 && confidence > bin_edge(bin + 1)) ++bin;
  return static_cast<std::size_t>(bin);
}

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// How many classes precede the label in a stable descending sort.
std::int64_t rank_of(std::span<const float> logits, std::size_t label) {
  std::int64_t rank = 0;
  for (std::size_t j = 0; j < logits.size(); ++j) {
    if (logits[j] > logits[label] || (logits[j] == logits[label] && j < label)) ++rank;
  }
  return rank;
}

}  // namespace

ClassificationMeter::ClassificationMeter(std::int64_t num_classes) : num_classes_(num_classes) {
  if (num_classes < 1) {
    throw ConfigError("eval", "expected at least 1 class, got {}; check num_classes", num_classes);
  }
  const auto k = static_cast<std::size_t>(num_classes);
  bins_.resize(kCalibrationBins);
  classes_.resize(k);
  if (num_classes <= kMaxConfusionClasses) confusion_.assign(k * k, 0);
}

void ClassificationMeter::add(std::span<const float> logits, std::span<const std::int64_t> labels) {
  const auto k = static_cast<std::size_t>(num_classes_);
  if (logits.size() % k != 0 || logits.size() / k != labels.size()) {
    throw ShapeError("eval",
                     "expected [{}, {}] logits for {} labels, got {} values; check that "
                     "the head matches the class list",
                     labels.size(), num_classes_, labels.size(), logits.size());
  }
  for (const std::int64_t label : labels) {
    if (label < 0 || label >= num_classes_) {
      throw FormatError("eval",
                        "expected labels in 0..{}, found {}; check the dataset's class list",
                        num_classes_ - 1, label);
    }
  }
  for (std::size_t row = 0; row < labels.size(); ++row) {
    add_row(logits.subspan(row * k, k), labels[row]);
  }
}

void ClassificationMeter::add_row(std::span<const float> logits, std::int64_t label) {
  const auto truth = static_cast<std::size_t>(label);
  ++samples_;
  ++classes_[truth].support;
  if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); })) {
    ++non_finite_;
    return;
  }
  // max_element returns the first of equal values, which is the stable order's winner.
  const auto best = std::max_element(logits.begin(), logits.end());
  const auto predicted = static_cast<std::size_t>(best - logits.begin());
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - *best);
  loss_ += std::log(sum) + *best - static_cast<double>(logits[truth]);

  const bool right = predicted == truth;
  top1_ += right;
  top5_ += rank_of(logits, truth) < kTopK;
  ++classes_[predicted].predicted;
  classes_[truth].correct += right;
  const double confidence = 1.0 / sum;
  Bin& bin = bins_[bin_of(confidence)];
  ++bin.count;
  bin.correct += right;
  bin.confidence += confidence;
  if (!confusion_.empty()) {
    ++confusion_[truth * static_cast<std::size_t>(num_classes_) + predicted];
  }
}

// One walk over the accumulators serves reading (const Self) and writing.
template <typename Self, typename Visit>
void ClassificationMeter::visit_state(Self& self, Visit&& visit) {
  visit(self.samples_);
  visit(self.non_finite_);
  visit(self.top1_);
  visit(self.top5_);
  visit(self.loss_);
  for (auto& bin : self.bins_) {
    visit(bin.count);
    visit(bin.correct);
    visit(bin.confidence);
  }
  for (auto& scores : self.classes_) {
    visit(scores.support);
    visit(scores.predicted);
    visit(scores.correct);
  }
  for (auto& count : self.confusion_) visit(count);
}

std::vector<double> ClassificationMeter::sums() const {
  std::vector<double> out;
  visit_state(*this, [&out](const auto& value) { out.push_back(static_cast<double>(value)); });
  return out;
}

void ClassificationMeter::set_sums(std::span<const double> sums) {
  const std::size_t expected = this->sums().size();
  if (sums.size() != expected) {
    throw ShapeError("eval",
                     "expected {} accumulators for {} classes, got {}; merge meters of one "
                     "task only",
                     expected, num_classes_, sums.size());
  }
  std::size_t next = 0;
  visit_state(*this, [&](auto& value) {
    value = static_cast<std::remove_reference_t<decltype(value)>>(sums[next++]);
  });
}

void ClassificationMeter::merge(const ClassificationMeter& other) {
  if (other.num_classes_ != num_classes_) {
    throw ShapeError("eval",
                     "expected a meter of {} classes to merge, got {}; evaluate all parts "
                     "with one class list",
                     num_classes_, other.num_classes_);
  }
  std::vector<double> total = sums();
  const std::vector<double> more = other.sums();
  for (std::size_t i = 0; i < total.size(); ++i) total[i] += more[i];
  set_sums(total);
}

ClassificationResult ClassificationMeter::result() const {
  ClassificationResult out;
  out.num_classes = num_classes_;
  out.samples = samples_;
  out.non_finite = non_finite_;
  out.top1 = share(top1_, samples_);
  out.top5 = share(top5_, samples_);
  out.top_k = static_cast<int>(std::min(kTopK, num_classes_));
  const std::int64_t scored = samples_ - non_finite_;
  out.loss = scored == 0 ? 0.0 : loss_ / static_cast<double>(scored);
  out.classes = classes_;
  out.confusion = confusion_;
  for (int i = 0; i < kCalibrationBins; ++i) {
    const Bin& sum = bins_[static_cast<std::size_t>(i)];
    CalibrationBin bin{.low = bin_edge(i), .high = bin_edge(i + 1), .count = sum.count};
    if (sum.count > 0) {
      bin.confidence = sum.confidence / static_cast<double>(sum.count);
      bin.accuracy = share(sum.correct, sum.count);
      const double gap = std::abs(bin.confidence - bin.accuracy);
      out.calibration.ece += share(sum.count, scored) * gap;
      out.calibration.mce = std::max(out.calibration.mce, gap);
    }
    out.calibration.bins.push_back(bin);
  }
  return out;
}

}  // namespace conopa::eval

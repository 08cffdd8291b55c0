#include "quantize_measure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace conopa::app {

void OutputDistance::add(std::span<const float> expected, std::span<const float> found,
                         std::int64_t width) {
  const auto columns = static_cast<std::size_t>(width);
  for (std::size_t at = 0; at + columns <= expected.size(); at += columns) {
    const std::span<const float> a = expected.subspan(at, columns);
    const std::span<const float> b = found.subspan(at, columns);
    double mean = 0.0;
    for (const float value : a) mean += static_cast<double>(value) / static_cast<double>(columns);
    for (std::size_t k = 0; k < columns; ++k) {
      const double off = static_cast<double>(b[k]) - static_cast<double>(a[k]);
      const double around = static_cast<double>(a[k]) - mean;
      const bool finite = std::isfinite(off);
      squares_ += finite ? off * off : std::numeric_limits<double>::infinity();
      largest_ = std::max(largest_, finite ? std::abs(off) : squares_);
      spread_ += around * around;
    }
    ++images_;
    same_ += std::ranges::max_element(a) - a.begin() == std::ranges::max_element(b) - b.begin();
  }
}

double OutputDistance::same_top1() const noexcept {
  return images_ == 0 ? 0.0 : static_cast<double>(same_) / static_cast<double>(images_);
}

double OutputDistance::relative_error() const noexcept {
  return squares_ == 0.0 ? 0.0 : std::sqrt(squares_ / spread_);
}

OutputRunner::OutputRunner(engine::Model model, std::int64_t threads, std::int64_t batch)
    : session_(std::move(model), {.threads = static_cast<int>(threads), .max_batch = batch}) {}

std::int64_t OutputRunner::width() const noexcept {
  const arch::EncoderSpec& spec = session_.model().spec();
  return spec.outputs() > 0 ? spec.outputs() : spec.dim;
}

std::vector<float> OutputRunner::run(std::span<const float> images, std::int64_t batch) {
  std::vector<float> out(static_cast<std::size_t>(batch * width()));
  engine::Outputs outputs;
  (session_.model().spec().outputs() > 0 ? outputs.logits : outputs.features) = out;
  session_.run(images, batch, outputs);
  return out;
}

void Agreement::add(OutputRunner& original, OutputRunner& quantised, std::span<const float> images,
                    std::int64_t batch, std::span<const std::int64_t> labels) {
  const std::vector<float> expected = original.run(images, batch);
  const std::vector<float> found = quantised.run(images, batch);
  distance.add(expected, found, original.width());
  const std::int64_t classes = original.session().model().spec().num_classes;
  if (labels.empty() || classes == 0) return;
  if (!before) before.emplace(classes);
  if (!after) after.emplace(classes);
  before->add(expected, labels);
  after->add(found, labels);
}

}  // namespace conopa::app

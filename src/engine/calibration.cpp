#include "conopa/engine/calibration.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace conopa::engine {

std::vector<float> InputRange::importance() const {
  std::vector<float> out(square_sum.size());
  if (rows == 0 || out.empty()) return {};
  const double total = std::accumulate(square_sum.begin(), square_sum.end(), 0.0);
  const double average = total / static_cast<double>(out.size());
  if (!(average > 0.0) || !std::isfinite(average)) return {};
  for (std::size_t k = 0; k < out.size(); ++k) {
    out[k] = static_cast<float>(std::max(square_sum[k] / average, 0.01));
  }
  return out;
}

void Calibration::add(const InputRows& input) {
  InputRange& range = ranges_[{input.block, input.reader}];
  range.largest.resize(static_cast<std::size_t>(input.width));
  range.square_sum.resize(static_cast<std::size_t>(input.width));
  for (std::int64_t r = 0; r < input.count; ++r) {
    const float* row = input.rows + r * input.stride;
    for (std::size_t k = 0; k < range.largest.size(); ++k) {
      range.largest[k] = std::max(range.largest[k], std::abs(row[k]));
      range.square_sum[k] += static_cast<double>(row[k]) * static_cast<double>(row[k]);
    }
  }
  range.rows += input.count;
}

const InputRange* Calibration::find(std::int64_t block, LinearReader reader) const {
  const auto found = ranges_.find({block, reader});
  return found == ranges_.end() ? nullptr : &found->second;
}

void calibrate(Session& session, std::span<const float> images, std::int64_t batch,
               Calibration& calibration) {
  session.observe_inputs([&calibration](const InputRows& input) { calibration.add(input); });
  std::vector<float> features(static_cast<std::size_t>(batch * session.model().spec().dim));
  session.run(images, batch, {.features = features});
  session.observe_inputs({});
}

}  // namespace conopa::engine

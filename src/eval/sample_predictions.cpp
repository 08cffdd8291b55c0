#include "conopa/eval/sample_predictions.h"

#include <algorithm>
#include <cmath>

namespace conopa::eval {

void SampleKeeper::add(std::span<const float> logits, std::span<const std::int64_t> indices,
                       std::span<const std::int64_t> labels) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (!spread_.takes_next()) continue;
    const std::size_t classes = logits.size() / indices.size();
    const std::span<const float> row = logits.subspan(i * classes, classes);
    SamplePrediction sample{.index = indices[i], .label = labels[i], .top = {}};
    if (std::ranges::all_of(row, [](float value) { return std::isfinite(value); })) {
      sample.top = top_classes(row, top_k_);
    }
    samples_.push_back(std::move(sample));
  }
}

}  // namespace conopa::eval

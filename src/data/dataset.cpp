#include "conopa/data/dataset.h"

namespace conopa::data {

std::vector<std::int64_t> all_labels(const Dataset& dataset) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(dataset.size()));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = dataset.label(static_cast<std::int64_t>(i));
  }
  return labels;
}

}  // namespace conopa::data

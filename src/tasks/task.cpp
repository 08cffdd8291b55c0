#include "conopa/tasks/task.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace conopa::tasks {

const HostTensor& Reconstruction::picture(std::string_view caption) const {
  const auto it = std::ranges::find(pictures, caption, &CaptionedTensor::caption);
  if (it == pictures.end()) throw std::out_of_range("no picture " + std::string(caption));
  return it->pixels;
}

double Evaluation::value(std::string_view name) const {
  const auto it = std::find_if(values.begin(), values.end(),
                               [name](const auto& entry) { return entry.first == name; });
  return it == values.end() ? std::numeric_limits<double>::quiet_NaN() : it->second;
}

bool Evaluation::improves(double candidate, double best) const {
  if (std::isnan(candidate)) return false;
  if (std::isnan(best)) return true;
  return higher_is_better ? candidate > best : candidate < best;
}

}  // namespace conopa::tasks

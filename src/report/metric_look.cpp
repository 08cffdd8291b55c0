#include "conopa/report/metric_look.h"

#include <algorithm>
#include <cctype>

namespace conopa::report {
namespace {

struct KnownMetric {
  std::string_view name;
  std::string_view title;
  ValueFormat format = ValueFormat::kNumber;
  Better better = Better::kHigher;
  bool leads = false;
  bool from_zero = false;
};

// In the order of the page.
constexpr KnownMetric kKnown[] = {
    {"loss", "Loss", ValueFormat::kNumber, Better::kLower, true},
    {"top1", "Top-1 accuracy", ValueFormat::kPercent, Better::kHigher, true},
    {"accuracy", "Accuracy", ValueFormat::kPercent, Better::kHigher, true},
    {"top5", "Top-5 accuracy", ValueFormat::kPercent, Better::kHigher},
    {"lr", "Learning rate", ValueFormat::kNumber, Better::kNeither},
    {"grad_norm", "Gradient norm", ValueFormat::kNumber, Better::kNeither},
    {"images_per_second", "Images per second", ValueFormat::kNumber, Better::kHigher, false, true},
    {"images_per_s", "Images per second", ValueFormat::kNumber, Better::kHigher, false, true},
    {"ece", "Calibration error (ECE)", ValueFormat::kPercent, Better::kLower},
    {"mask_rate", "Mask rate", ValueFormat::kNumber, Better::kNeither},
    {"drop_path", "Drop path", ValueFormat::kNumber, Better::kNeither},
    {"data_wait", "Waiting for data", ValueFormat::kPercent, Better::kLower},
    {"nonfinite", "Skipped steps", ValueFormat::kNumber, Better::kLower},
};

// Parts of names between underscores that stand for something to be made small.
constexpr std::string_view kFaults[] = {"loss", "error", "perplexity", "mse", "rmse", "ece"};

std::string readable(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', ' ');
  if (!out.empty()) {
    out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  }
  return out;
}

bool is_fault(std::string_view name) {
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('_'));
    if (std::find(std::begin(kFaults), std::end(kFaults), part) != std::end(kFaults)) return true;
    name.remove_prefix(std::min(name.size(), part.size() + 1));
  }
  return false;
}

}  // namespace

MetricLook metric_look(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kKnown); ++i) {
    const KnownMetric& known = kKnown[i];
    if (known.name != name) continue;
    return {std::string(known.title), known.format, known.better, known.leads, known.from_zero, i};
  }
  MetricLook look{.title = readable(name)};
  look.better = is_fault(name) ? Better::kLower : Better::kHigher;
  look.order = std::size(kKnown);
  return look;
}

}  // namespace conopa::report

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "conopa/report/plot.h"

namespace conopa::report {

/// Which values of a metric are good; neither: it tells how a run went, not how good it is.
enum class Better { kHigher, kLower, kNeither };

/// How a metric is shown.
struct MetricLook {
  std::string title{};  ///< "Top-1 accuracy"
  ValueFormat format = ValueFormat::kNumber;
  Better better = Better::kHigher;
  bool leads = false;      ///< drawn large on the page of a run
  bool from_zero = false;  ///< the axis begins at 0
  std::size_t order = 0;   ///< place on a page: the well-known ones first, all others alike
};

/// Look of a metric by its name without the split ("top1"). Unknown names become titles ("val_iou"
/// → "Val iou"); of these, losses and errors are better when lower, all others when higher.
[[nodiscard]] MetricLook metric_look(std::string_view name);

}  // namespace conopa::report

#pragma once

#include "conopa/report/html.h"

namespace conopa::report {

/// A report of an imagined run with realistic curves, confusions and pictures of clothes; the same
/// at every call.
RunReport demo_report();

/// An evaluation of many classes with clustered confusions.
eval::ClassificationResult demo_result(std::int64_t classes, std::int64_t samples);

}  // namespace conopa::report

#pragma once

#include <string>
#include <vector>

#include "conopa/report/html.h"
#include "eval.h"
#include "model_resize.h"

namespace conopa::app {

/// What one input size gave.
struct SizeResult {
  InputSize size;
  std::int64_t tokens = 0;
  double gmacs = 0.0;  ///< multiply-accumulates of one image, 1e9
  eval::ClassificationResult result;
  double images_per_second = 0.0;
  std::string engine;  ///< what ran the network
};

/// The line above the rows on the terminal, and one row.
[[nodiscard]] std::string size_header(const SizeResult& first);
[[nodiscard]] std::string size_row(const SizeResult& result);

/// Raw numbers for other programs: size, height, width, tokens, gmacs, images, top1, top5, loss,
/// ece, images_per_second; accuracies are shares in [0, 1].
[[nodiscard]] report::TextTable size_csv_table(const std::vector<SizeResult>& results);

/// The same as a JSON array of objects.
[[nodiscard]] std::string size_json(const std::vector<SizeResult>& results);

/// Charts of accuracy and loss by size, and the table.
[[nodiscard]] report::ReportSection size_section(std::vector<SizeResult> results);

}  // namespace conopa::app

#pragma once

#include <span>
#include <string>
#include <vector>

#include "conopa/eval/top_classes.h"

namespace conopa::app {

/// The classes found for one image.
struct ImagePredictions {
  std::string file;
  std::span<const eval::Prediction> top;  ///< best first
  const std::vector<std::string>& class_names;
};

/// A line with the file, then a line for each class: percent, number, name.
[[nodiscard]] std::string predictions_text(const ImagePredictions& image);

/// One JSON object, {"file", "predictions": [{"class", "index", "probability"}]}.
[[nodiscard]] std::string predictions_json(const ImagePredictions& image);

/// The same as lines of comma-separated values, one for each class; see kPredictionColumns.
[[nodiscard]] std::string predictions_csv(const ImagePredictions& image);

inline constexpr const char* kPredictionColumns = "file,rank,class,index,probability";

}  // namespace conopa::app

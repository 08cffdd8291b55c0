#pragma once

#include <optional>

#include "checkpoint_import.h"

namespace conopa::app {

/// A checkpoint of an image and a text tower, understood but not yet read.
struct PairPlan {
  ImportPlan image, text;
  std::string scale_name;    ///< foreign
  double logit_scale = 0.0;  ///< logarithm
  /// Of both together: what one tower lacks, and what neither knows.
  arch::KeyReport keys;
};

/// Recognises a checkpoint of two towers; nothing if it is another or the model is stated.
/// Settings that begin with "text." are of the text tower, the others of the image tower.
/// @throws FormatError, ConfigError as plan_import; UsageError for options that belong to one
///         model.
[[nodiscard]] std::optional<PairPlan> plan_pair(const ImportOptions& options,
                                                const OpenedCheckpoint& opened);

}  // namespace conopa::app

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "conopa/data/loader.h"
#include "conopa/tasks/task.h"

namespace conopa::tasks {

/// One pass over a dataset with the metrics that every classifying task reports: loss, top-1,
/// top-5, calibration, kept predictions.
/// @param classes    of the model's head.
/// @param top_k      classes of a kept prediction.
/// @param logits_of  [B, classes] float32, contiguous, on the CPU, without gradients.
/// @return incomplete, without values, if it was stopped.
/// @throws ConfigError if the data has more classes than the head.
[[nodiscard]] Evaluation classify_all(
    data::Loader& loader, const EvaluateOptions& options, std::int64_t classes, std::int64_t top_k,
    const std::function<at::Tensor(const data::Batch& batch)>& logits_of);

}  // namespace conopa::tasks

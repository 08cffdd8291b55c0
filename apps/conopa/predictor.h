#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "conopa/core/host_tensor.h"
#include "model_store.h"

namespace conopa::app {

/// A class with its probability.
struct Prediction {
  std::int64_t index = 0;
  double probability = 0.0;
};

/// The `count` most probable classes of a softmax over `logits`, best first; of equal ones the
/// lower number. Fewer if there are fewer classes.
/// @throws RunError if a logit is not finite: probabilities would mean nothing.
[[nodiscard]] std::vector<Prediction> top_predictions(std::span<const float> logits,
                                                      std::int64_t count);

struct PredictorOptions {
  std::int64_t threads = 0;        ///< 0 = one per core
  std::string precision = "fp32";  ///< or "bf16"
  std::string device = "auto";
};

/// A classifier ready to run.
class Predictor {
 public:
  /// Loads the weights.
  /// @throws ConfigError if the model has no head or an option is unknown, FormatError if weights
  ///         are missing, UnsupportedError if this build has no executor.
  Predictor(const StoredModel& model, const PredictorOptions& options);
  ~Predictor();
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  /// @param images  [B, C, H, W] float32, of which the first `count` ≥ 1 are used.
  /// @return        [count, classes] row-major.
  [[nodiscard]] std::vector<float> logits(const HostTensor& images, std::int64_t count) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conopa::app

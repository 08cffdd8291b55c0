#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "conopa/core/host_tensor.h"
#include "model_store.h"

namespace conopa::app {

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

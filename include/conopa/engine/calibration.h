#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/engine/session.h"

namespace conopa::engine {

/// What is known about the channels of rows that enter linear layers.
struct InputRange {
  std::vector<float> largest;      ///< [K] largest magnitude
  std::vector<double> square_sum;  ///< [K]
  std::int64_t rows = 0;

  /// Mean squares [K], those of silent channels raised to a hundredth of their average: the
  /// importance of a weight's column. Empty before the first row.
  [[nodiscard]] std::vector<float> importance() const;
};

/// Input ranges of every linear layer of a model's blocks over some images.
class Calibration {
 public:
  using Key = std::pair<std::int64_t, LinearReader>;  ///< block and reader

  /// @complexity O(values).
  void add(const InputRows& input);

  /// Null if nothing was added for it.
  [[nodiscard]] const InputRange* find(std::int64_t block, LinearReader reader) const;

 private:
  std::map<Key, InputRange> ranges_;
};

/// Runs images through a float32 model and collects the ranges.
/// @param images  [B, C, H, W] float32 of the model's size, normalised.
/// @throws ConfigError unless the model of the session runs in fp32; as Session::run.
void calibrate(Session& session, std::span<const float> images, std::int64_t batch,
               Calibration& calibration);

}  // namespace conopa::engine

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "conopa/core/host_tensor.h"
#include "conopa/engine/model.h"
#include "conopa/engine/session.h"
#include "conopa/eval/classification_meter.h"
#include "model_store.h"

namespace conopa::app {

/// How close outputs are to those of the float model. Outputs are logits, or the features of a
/// model without a head.
class OutputDistance {
 public:
  /// Adds [B, width] outputs.
  void add(std::span<const float> expected, std::span<const float> found, std::int64_t width);

  [[nodiscard]] std::int64_t images() const noexcept { return images_; }
  /// Share of images with the same largest output.
  [[nodiscard]] double same_top1() const noexcept;
  /// Root of the mean squared difference over that of the expected outputs around their mean per
  /// image: 0 is equal, 1 as far as the mean itself. NaN counts as infinity.
  [[nodiscard]] double relative_error() const noexcept;
  [[nodiscard]] double largest_error() const noexcept { return largest_; }

 private:
  std::int64_t images_ = 0;
  std::int64_t same_ = 0;
  double squares_ = 0.0;
  double spread_ = 0.0;
  double largest_ = 0.0;
};

/// A model ready to run with outputs of one kind.
class OutputRunner {
 public:
  OutputRunner(engine::Model model, std::int64_t threads, std::int64_t batch);

  /// Width of the outputs: classes or projection, or D without either.
  [[nodiscard]] std::int64_t width() const noexcept;
  [[nodiscard]] engine::Session& session() noexcept { return session_; }
  /// @param images  [B, C, H, W].
  [[nodiscard]] std::vector<float> run(std::span<const float> images, std::int64_t batch);

 private:
  engine::Session session_;
};

/// Accuracy of the float and the quantised model on labelled images, and their distance.
struct Agreement {
  std::optional<eval::ClassificationMeter> before, after;  ///< nothing without labels or head
  OutputDistance distance;

  /// Runs both models. `labels` may be empty.
  void add(OutputRunner& original, OutputRunner& quantised, std::span<const float> images,
           std::int64_t batch, std::span<const std::int64_t> labels);
};

}  // namespace conopa::app

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/host_tensor.h"
#include "conopa/data/loader.h"
#include "conopa/eval/classification.h"
#include "conopa/eval/sample_predictions.h"
#include "conopa/nn/encoder.h"

namespace conopa::tasks {

/// What the training loop tells an objective about the micro-batch.
struct StepContext {
  std::int64_t epoch = 0;  ///< from 0
  nn::Exec exec;
  double mask_rate = 0.0;  ///< α of the soft mask
  double drop_path = 0.0;  ///< peak stochastic-depth rate
  nn::StepRandom random;   ///< differs between micro-batches
  bool checkpoint_blocks = false;
};

struct StepOutput {
  at::Tensor loss;  ///< scalar float32, mean over the batch, differentiable
};

using eval::SamplePrediction;

/// A picture as the model sees images: [C, H, W] float32, normalised.
struct CaptionedTensor {
  std::string caption;  ///< "input", "masked", "prediction"
  HostTensor pixels;
};

/// What a model that fills in or continues images made of one evaluated image. Patches that it was
/// not given are 0, the mean colour, in the picture of what it saw; predictions hold the patches
/// that it was given.
struct Reconstruction {
  std::int64_t index = 0;                 ///< in the dataset
  std::vector<CaptionedTensor> pictures;  ///< side by side in reports

  /// The picture with that caption.
  /// @throws std::out_of_range if there is none.
  [[nodiscard]] const HostTensor& picture(std::string_view caption) const;
};

/// Numbers of one evaluation; which ones is the task's choice.
struct Evaluation {
  std::vector<std::pair<std::string, double>> values;  ///< in the order of reports
  std::string primary;           ///< name of the value that decides what "best" is
  bool higher_is_better = true;  ///< of the primary value
  bool complete = true;          ///< false: stopped on request, do not use the numbers
  std::optional<eval::ClassificationResult> classification;
  std::vector<SamplePrediction> samples;
  std::vector<Reconstruction> reconstructions;

  /// Value by name; NaN if there is none.
  [[nodiscard]] double value(std::string_view name) const;
  /// Whether `candidate` beats `best` (NaN never does, and anything else beats NaN).
  [[nodiscard]] bool improves(double candidate, double best) const;
};

struct EvaluateOptions {
  nn::Exec exec;
  std::optional<double> mask_rate;  ///< default: the spec's
  std::int64_t samples = 0;         ///< predictions (or pictures) to keep, spread over the data
  std::function<bool()> stop;       ///< asked between batches
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< batches
};

/// A model with an objective and metrics; the training loop knows nothing else about either.
///
/// A new objective (masked image modelling, autoregression) is one class here; loop, optimiser,
/// checkpoints and schedules stay as they are. Not thread-safe.
class Task {
 public:
  virtual ~Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  [[nodiscard]] virtual const arch::EncoderSpec& spec() const noexcept = 0;
  [[nodiscard]] virtual nn::Parameters& parameters() noexcept = 0;

  /// Forward pass of one micro-batch in training mode.
  [[nodiscard]] virtual StepOutput loss(const data::Batch& batch, const StepContext& context) = 0;

  /// Evaluates the present weights on one pass over the loader (its epoch 0).
  [[nodiscard]] virtual Evaluation evaluate(data::Loader& loader,
                                            const EvaluateOptions& options) = 0;

 protected:
  Task() = default;
};

}  // namespace conopa::tasks

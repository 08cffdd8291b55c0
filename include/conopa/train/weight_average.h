#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "conopa/io/tensor_source.h"
#include "conopa/nn/ops.h"
#include "conopa/nn/parameters.h"

namespace conopa::train {

/// Exponential moving average of a model's weights, stored apart from them; buffers and frozen
/// tensors are copied.
///
/// average ← d·average + (1 − d)·weights, d = min(decay, (1 + t)/(10 + t)) with warm-up, t updates
/// done before.
class WeightAverage {
 public:
  struct Options {
    double decay = 0.9999;
    bool warmup = true;
    nn::Ops ops = nn::Ops::kAuto;  ///< kStock keeps off the kernels on the CPU too
  };

  /// Starts as a copy of the weights. @param parameters kept by reference.
  WeightAverage(nn::Parameters& parameters, const Options& options);

  /// Takes the present weights in.
  void update();

  [[nodiscard]] std::int64_t updates() const noexcept { return updates_; }
  [[nodiscard]] const std::vector<at::Tensor>& tensors() const noexcept { return average_; }

  /// Starts again from the present weights.
  void reset();

  /// Reads the average by the weights' names.
  /// @throws FormatError if a tensor is missing or has another shape.
  void load(const TensorSource& source, std::int64_t updates);

 private:
  /// Of a language model: not averaged, not copied, not stored.
  [[nodiscard]] bool is_frozen(std::size_t i) const;

  nn::Parameters& parameters_;
  Options options_;
  std::int64_t updates_ = 0;
  std::vector<at::Tensor> average_;  // as parameters_.tensors()
};

/// Exchanges weights and average while it lives: evaluate or save inside the scope. Copies nothing.
class AverageScope {
 public:
  /// @param average  null: the scope does nothing.
  AverageScope(nn::Parameters& parameters, const WeightAverage* average);
  ~AverageScope();
  AverageScope(const AverageScope&) = delete;
  AverageScope& operator=(const AverageScope&) = delete;

 private:
  nn::Parameters& parameters_;
  std::vector<at::Tensor> weights_;
};

}  // namespace conopa::train

#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/io/tensor_source.h"
#include "conopa/onnx/encoder_model.h"
#include "conopa/onnx/write.h"

namespace conopa::onnx::testing {

/// A small model and how it is exported.
struct Case {
  std::string name;
  arch::EncoderSpec spec;  ///< resolved
  EncoderModelOptions options = {};
  WriteOptions write = {};
  double tolerance = 2e-5;  ///< largest difference of an output over its largest value
};

inline void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

/// Models that take every branch of the exporter: each switch of the spec in a plain encoder or a
/// pyramid.
[[nodiscard]] std::vector<Case> all_cases();

/// Random tensors of a spec, norms, biases and statistics too, so that a wrong default shows.
[[nodiscard]] std::vector<NamedTensor> random_tensors(const arch::EncoderSpec& spec);

/// Random images [3, C, H, W], or token numbers [3, width] with two end tokens each.
[[nodiscard]] HostTensor random_input(const arch::EncoderSpec& spec);

}  // namespace conopa::onnx::testing

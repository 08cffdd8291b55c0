#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conopa/core/quant_blocks.h"
#include "conopa/engine/quantise.h"
#include "quantize_images.h"
#include "quantize_measure.h"

namespace conopa::app {

/// One way to quantise, and its error on the calibration images.
struct QuantizeTrial {
  std::string name;  ///< "largest value", "search", "search, weighted", "smoothing 0.50"
  bool clip = false;
  bool weighted = false;
  std::optional<double> smoothing = {};
  double error = 0.0;  ///< OutputDistance::relative_error
};

/// Quantised weights and how they were found.
struct QuantizedWeights {
  std::vector<NamedTensor> tensors;      ///< as a folder stores them
  std::unique_ptr<TensorSource> source;  ///< in place of `tensors`: made one at a time
  Metadata metadata;                     ///< with the weight format
  QuantizeTrial chosen;
  std::vector<QuantizeTrial> trials;  ///< all that were compared; empty without calibration
};

/// The quantised tensors as a source of logical weights; not of those with a source.
[[nodiscard]] std::unique_ptr<TensorSource> logical_weights(const QuantizedWeights& weights);

/// Quantises with a search for scales.
[[nodiscard]] QuantizedWeights quantize_plainly(const StoredModel& model, QuantForm form);

/// The same weights as a source of which one matrix is in memory at a time.
/// @param model  outlives the result.
[[nodiscard]] QuantizedWeights quantize_streaming(const StoredModel& model, QuantForm form);

/// Quantises in several ways and keeps the one whose outputs are nearest to the float model's on
/// the calibration images: scales of the largest value, searched scales, the search weighted by the
/// inputs, and with smoothing of several strengths. int8 is compared in int8 arithmetic, block
/// forms in fp32.
/// @param original  float32; its inputs are observed.
[[nodiscard]] QuantizedWeights quantize_calibrated(const StoredModel& model, QuantForm form,
                                                   OutputRunner& original, const ImageSet& images,
                                                   std::int64_t threads);

}  // namespace conopa::app

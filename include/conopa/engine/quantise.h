#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/quant_blocks.h"
#include "conopa/engine/calibration.h"
#include "conopa/io/computed.h"
#include "conopa/io/tensor_source.h"

namespace conopa::engine {

/// How the weights of a model are quantised.
struct QuantiseOptions {
  QuantForm form = QuantForm::kInt8;
  /// Scales are searched for the smallest error, see QuantSearch.
  bool clip = true;
  /// Ranges of the layers' inputs: they weigh the error of the search, and `smoothing` needs them.
  const Calibration* calibration = nullptr;
  /// Share a in [0, 1] of the ranges' spread that moves from the inputs into the weights: channel j
  /// of an input is divided by s_j = max|x_j|^a / max|W_j|^(1-a), scaled to a geometric mean of 1,
  /// and column j of the weights multiplied by it. The division is folded into the layer that makes
  /// the input (the norm, the value rows in front of the output projection, the up projection in
  /// front of the down projection), so the model computes the same. Nothing: no smoothing.
  /// @source SmoothQuant (arXiv 2211.10438), equation 4; here for every linear layer.
  std::optional<double> smoothing{};
};

/// Names of the matrices that a form stores quantised: the two-dimensional weights of attention and
/// feed-forward in the encoder's blocks, in block forms only those with inputs in multiples of 32.
[[nodiscard]] std::vector<std::string> quantised_names(const arch::EncoderSpec& spec,
                                                       QuantForm form);

/// All tensors of a model with those matrices quantised, as a folder with the metadata key
/// kWeightFormat stores them. Others stay as they are (float32 where smoothing changes them).
///
/// @param spec     resolved spec of the weights.
/// @param weights  canonical names, not quantised.
/// @throws FormatError for missing tensors, other shapes and values that are not finite;
///         UnsupportedError for weights that are quantised already and for LSQ models; ConfigError
///         for smoothing without ranges or outside [0, 1].
/// @complexity O(parameters), about 40 times that with a search; parallel. One block is in memory
/// as
///         float32 at a time.
[[nodiscard]] std::vector<NamedTensor> quantise_weights(const arch::EncoderSpec& spec,
                                                        const TensorSource& weights,
                                                        const QuantiseOptions& options);

/// The same tensors in the same order, each made when it is read: for models larger than the
/// memory.
///
/// @param weights  outlives the tensors.
/// @param options  without calibration and smoothing, which need whole blocks.
/// @throws as quantise_weights; values that are not finite when the tensor is read; ConfigError for
///         options with a calibration.
/// @complexity Reading a tensor holds it and its quantised copy. int8 matrices are quantised twice:
///         for their values and for their scales.
[[nodiscard]] std::vector<ComputedTensor> quantised_tensors(const arch::EncoderSpec& spec,
                                                            const TensorSource& weights,
                                                            const QuantiseOptions& options);

}  // namespace conopa::engine

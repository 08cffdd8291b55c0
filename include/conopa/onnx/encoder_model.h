#pragma once

#include "conopa/arch/encoder_spec.h"
#include "conopa/io/tensor_source.h"
#include "conopa/onnx/model.h"

namespace conopa::onnx {

/// Arithmetic of the exported linear layers; everything else is float32.
enum class Precision {
  kFp32,
  /// Weights int8 with a scale per output, activations quantised to uint8 per tensor while running
  /// (DynamicQuantizeLinear, MatMulInteger).
  kInt8
};

struct EncoderModelOptions {
  Precision precision = Precision::kFp32;
};

/// A resolved spec's encoder, read-out and head as an ONNX graph of operator set 17.
///
/// Input `pixels` [batch, C, H, W] float32, normalised, or `tokens` [batch, width] int64; outputs
/// `logits` [batch, classes or projection] (only with a head or projection) and `features`
/// [batch, D], what the head reads. The batch is free, the size is fixed. Node names are paths
/// ("blocks.3/attn/scores"); weights keep the names of the tensor table. Neck and decoder are no
/// part of it; blocks that nobody reads are left out. A sequence without the end token that a
/// read-out looks for is read at its first token, where other executors refuse it.
///
/// Five changes of the weights leave every result as it is but for rounding: rows of q and k of
/// rotated blocks are reordered so that rotation works on halves of a head instead of adjacent
/// pairs, layer scale is multiplied into the layer before it, low-rank branches are added to their
/// matrices, the queries of an attention read-out are folded into its keys (arch::fold_pool), and
/// learned step sizes (LSQ) of weights are applied. If only the class token is read, the last block
/// computes queries and everything behind them for that token alone, as the other executors do.
///
/// @param weights  canonical names, any float type; must outlive the model.
/// @throws FormatError if a tensor is missing or shaped differently; UnsupportedError for int8 of a
///         model that was trained with quantisation (LSQ).
[[nodiscard]] Model encoder_model(const arch::EncoderSpec& spec, const TensorSource& weights,
                                  const EncoderModelOptions& options = {});

}  // namespace conopa::onnx

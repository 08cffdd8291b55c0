#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "case.h"
#include "conopa/nn/encoder.h"
#include "tests/engine/native_model.h"

namespace conopa::parity {

/// A spec's weights run by the native engine in float32.
[[nodiscard]] engine::Model native_model(const arch::EncoderSpec& spec,
                                         const nn::Parameters& parameters);

/// What the engine reads in a case.
struct NativeInput {
  at::Tensor images;        ///< [B, C, H, W], or token numbers [B, width]
  at::Tensor prefix = {};   ///< [B] int64, or undefined
  std::string suffix = {};  ///< of the expected tensors' names
};

/// Runs the engine and compares every layer that the case names.
void compare_native_layers(const Case& c, Outcome& out, const nn::Encoder& encoder,
                           const NativeInput& input);

/// Compares the native decoder's predictions with "preds".
void compare_native_patches(Outcome& out, const nn::Encoder& encoder, const at::Tensor& images,
                            const at::Tensor& prefix);

/// A part of a model that reads given rows, inside a whole model that the engine can run: a row is
/// a word of a vocabulary of B·N words, so that the tokens of the model are the rows.
class RowsModel {
 public:
  /// One bidirectional block of D channels behind B sequences of N rows; its feed-forward branch
  /// gives zeros.
  /// @param rows  [B, N, D] float32.
  explicit RowsModel(const HostTensor& rows);

  /// To be changed before run(), then resolved.
  arch::EncoderSpec spec;
  /// Tensors by canonical name; all others have initial values.
  std::map<std::string, HostTensor> tensors;

  [[nodiscard]] engine::NativeResult run() const;

 private:
  std::int64_t sequences_;
};

/// The output [B, N, D] of an attention layer on the rows that enter it. The norm in front of it is
/// made the identity: rows are scaled down until its epsilon outweighs their squares (relative
/// error below 1e-8), and its weight scales them up again.
/// @param describe  sets heads, biases and branches of the spec.
/// @param layer     the layer's tensors, "qkv.weight" and so on.
[[nodiscard]] std::vector<float> native_attention(
    const HostTensor& rows, const std::function<void(arch::EncoderSpec&)>& describe,
    const std::map<std::string, HostTensor>& layer);

}  // namespace conopa::parity

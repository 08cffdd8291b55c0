#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/arch/encoder_spec.h"
#include "conopa/io/tensor_source.h"
#include "conopa/kernels/act_rows.h"

namespace conopa::engine {

/// Learned steps of a quantisation-aware activation: x becomes
/// (clamp(round(x / alpha + zero), low, high) - zero) * alpha, per feature or per head.
/// @source iLLaMA (arXiv 2404.06773), appendix C.4.
struct LsqSteps {
  std::vector<float> alpha;
  std::vector<float> zero;  ///< rounded
  float low = 0.0F;
  float high = 0.0F;

  [[nodiscard]] float apply(float x, std::size_t i) const noexcept;
  /// Rows of float32 in place; `repeat` neighbouring columns share a step (the width of a head).
  void apply_rows(const kernels::MutableAct& rows, std::int64_t count, std::int64_t repeat) const;
};

/// The steps of one block's activations.
struct LsqBlock {
  LsqSteps qkv, proj, gate, up, down;  ///< inputs of the layers, per feature
  LsqSteps query, key, value, map;     ///< per head
};

/// @throws FormatError if a tensor is missing.
[[nodiscard]] LsqBlock load_lsq_block(const arch::EncoderSpec& spec, const arch::BlockSpec& block,
                                      const TensorSource& source);

/// Weights as their learned steps round them, the values that inference multiplies by; every other
/// tensor as it is.
class LsqSource : public TensorSource {
 public:
  /// @param source  kept by reference.
  LsqSource(const arch::EncoderSpec& spec, const TensorSource& source);

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  const TensorSource& source_;
  std::int64_t bits_;
};

}  // namespace conopa::engine

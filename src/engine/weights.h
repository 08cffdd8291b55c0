#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/arch/encoder_spec.h"
#include "conopa/engine/model.h"
#include "conopa/kernels/linear.h"
#include "conopa/kernels/norm.h"
#include "engine/lsq.h"

namespace conopa::engine {

/// Element types of a precision on one machine.
struct ActTypes {
  kernels::ActType input = kernels::ActType::kF32;  ///< of the inputs of linear layers
  kernels::ActType wide = kernels::ActType::kF32;   ///< of everything between them
};

struct NormWeights {
  kernels::NormKind kind = kernels::NormKind::kLayer;
  float eps = 1e-6F;
  std::vector<float> weight;
  std::vector<float> bias;  ///< empty for none
};

struct LinearWeights {
  kernels::PackedWeight packed;
  std::vector<float> bias;       ///< empty for none
  std::vector<float> gate_bias;  ///< of gated layers
};

/// The tensors of one block in executable form. Either qkv, or q and kv.
struct BlockWeights {
  NormWeights norm1, norm2;
  LinearWeights qkv, q, kv;
  LinearWeights pool;  ///< pooled keys
  NormWeights pool_norm;
  std::vector<float> query_norm, key_norm;  ///< [Dh], norms behind the rotation
  LinearWeights proj, up, down;
  LinearWeights gate;                 ///< apart from `up` in quantisation-aware models alone
  std::vector<float> scale1, scale2;  ///< layer scale; empty for none
};

/// One embedding (of a plain encoder or of a stage) and what is added behind it.
struct StageWeights {
  LinearWeights patch;
  NormWeights patch_norm;               ///< empty weight: none
  std::vector<float> position;          ///< [N, D] rows padded to `stride`; empty: none
  std::vector<float> conditional;       ///< [9, D] depthwise kernel; empty: none
  std::vector<float> conditional_bias;  ///< [D]
};

struct ModelWeights {
  std::vector<StageWeights> stages;
  std::vector<BlockWeights> blocks;
  std::vector<LsqBlock> lsq;       ///< of every block in quantisation-aware models, else empty
  std::vector<float> class_token;  ///< [D]
  NormWeights final_norm;
  std::vector<float> head_shift, head_scale;  ///< [D] batch norm as y = (x - shift) * scale
  LinearWeights head;                         ///< empty without a classifier
};

/// Reads and packs every tensor that inference needs.
///
/// @param stored  spec of the weights; `spec` the same at the size to run.
/// @throws FormatError for missing or misshapen tensors and values that are not finite.
[[nodiscard]] ModelWeights load_weights(const arch::EncoderSpec& stored,
                                        const arch::EncoderSpec& spec, const TensorSource& source,
                                        const ActTypes& types, kernels::Isa isa);

/// Bytes of everything above.
[[nodiscard]] std::int64_t size_of(const ModelWeights& weights);

}  // namespace conopa::engine

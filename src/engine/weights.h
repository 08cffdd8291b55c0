#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/arch/encoder_spec.h"
#include "conopa/engine/model.h"
#include "conopa/kernels/linear.h"
#include "conopa/kernels/norm.h"
#include "engine/lsq.h"
#include "engine/stored_matrix.h"

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
  HostTensor position;                  ///< float32 [1, N, D] at the stored size; empty: none
  std::vector<float> conditional;       ///< [9, D] depthwise kernel; empty: none
  std::vector<float> conditional_bias;  ///< [D]
};

/// The attention read-out. Its queries are fixed, so that a query's score with a token is one
/// product of the token with `Wk^T q`: keys and values of the tokens are never computed, and what
/// adds the same to all scores of a query (biases, the mean of a batch norm) drops out.
struct PoolWeights {
  LinearWeights scores;               ///< [heads * queries, D], by head; empty: no such read-out
  std::vector<LinearWeights> values;  ///< [Dh, D] of every head
};

/// A decoder that predicts the next patch.
struct DecoderWeights {
  LinearWeights embed;  ///< empty without blocks
  std::vector<BlockWeights> blocks;
  NormWeights norm;
  LinearWeights out;  ///< empty: not loaded
};

/// The blocks of a language model with their mappers.
struct LanguageWeights {
  LinearWeights in;  ///< [D, C]; empty: no such blocks
  std::vector<BlockWeights> blocks;
  NormWeights norm;   ///< empty weight: none
  LinearWeights out;  ///< [C, D]
  /// Of the short form (arch::folds_language_block), else empty: the size of a mapped token is
  /// z·gram·z + eps; keys [C, Dh] and values [Dh, C] of every head hold norm and mapper.
  LinearWeights gram;
  std::vector<LinearWeights> keys, values;
};

struct ModelWeights {
  std::optional<StoredMatrix> tokens;  ///< [vocabulary, D] of models that read tokens
  std::vector<StageWeights> stages;
  std::vector<BlockWeights> blocks;
  std::vector<LsqBlock> lsq;       ///< of every block in quantisation-aware models, else empty
  std::vector<float> class_token;  ///< [D]
  NormWeights final_norm;
  std::vector<float> head_shift, head_scale;  ///< [D] batch norm as y = (x - shift) * scale
  PoolWeights pool;
  LinearWeights head;        ///< empty without a classifier
  LinearWeights projection;  ///< empty for none
  DecoderWeights decoder;
  LanguageWeights language;
};

/// Which parts of a model are loaded.
struct LoadScope {
  std::vector<arch::BlockSpec> blocks;          ///< of the encoder
  std::vector<arch::BlockSpec> decoder_blocks;  ///< with `decoder` alone
  std::vector<arch::BlockSpec> language_blocks;
  bool decoder = false;
};

/// Reads and packs every tensor that inference needs, none of them for a certain image size.
///
/// @param spec  of the weights.
/// @throws FormatError for missing or misshapen tensors and values that are not finite;
///         UnsupportedError for LoRA branches on quantised weights.
[[nodiscard]] ModelWeights load_weights(const arch::EncoderSpec& spec, const TensorSource& source,
                                        const ActTypes& types, kernels::Isa isa,
                                        const LoadScope& scope);

/// Bytes of everything above.
[[nodiscard]] std::int64_t size_of(const ModelWeights& weights);

}  // namespace conopa::engine

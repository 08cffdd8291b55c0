#pragma once

#include <memory>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/engine/model.h"
#include "engine/stage_tables.h"
#include "engine/weights.h"

namespace conopa::engine {

struct Model::Impl {
  arch::EncoderSpec stored;  ///< of the weights
  arch::EncoderSpec spec;    ///< the same at the size that runs
  Precision precision = Precision::kFp32;
  kernels::Isa isa = kernels::Isa::kReference;
  ActTypes types;
  LoadScope scope;
  std::vector<StageTables> stages;                ///< for the size that runs
  std::shared_ptr<const ModelWeights> weights{};  ///< shared by all sizes

  /// Fills `stages` for `spec`.
  void make_tables();
  /// Blocks of the encoder that features and logits need.
  [[nodiscard]] std::size_t blocks_read() const noexcept {
    return static_cast<std::size_t>(spec.blocks_to_run());
  }
};

}  // namespace conopa::engine

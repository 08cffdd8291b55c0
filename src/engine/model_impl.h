#pragma once

#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/engine/model.h"
#include "engine/stage_tables.h"
#include "engine/weights.h"

namespace conopa::engine {

struct Model::Impl {
  arch::EncoderSpec spec;  ///< at the size that runs
  Precision precision = Precision::kFp32;
  kernels::Isa isa = kernels::Isa::kReference;
  ActTypes types;
  std::vector<arch::BlockSpec> blocks;
  std::vector<StageTables> stages;
  ModelWeights weights;
};

}  // namespace conopa::engine

#pragma once

#include "conopa/kernels/train_ops.h"

/// Rows of the table as constant data: code of a file compiled for an instruction set must not run,
/// not even to fill a struct, before the processor is known to have that set.
namespace conopa::kernels::avx2 {
extern const TrainOps kTrainOps;
}
namespace conopa::kernels::avx512 {
extern const TrainOps kTrainOps;
}

#include "kernels/simd/train_ops.h"
#include "kernels/simd/vec_avx512.h"
#include "kernels/train_ops_isa.h"

namespace conopa::kernels::avx512 {

constinit const TrainOps kTrainOps = simd::train_ops<Vec>(Isa::kAvx512);

}  // namespace conopa::kernels::avx512

#include "kernels/simd/train_ops.h"
#include "kernels/simd/vec_avx2.h"
#include "kernels/train_ops_isa.h"

namespace conopa::kernels::avx2 {

constinit const TrainOps kTrainOps = simd::train_ops<Vec>(Isa::kAvx2);

}  // namespace conopa::kernels::avx2

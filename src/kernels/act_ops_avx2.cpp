#include "kernels/act_ops_isa.h"
#include "kernels/simd/act_lanes_avx2.h"
#include "kernels/simd/act_table.h"

namespace conopa::kernels::avx2 {

constinit const ActOps kActOps = simd::act_ops_row<ActLanes>("avx2", Isa::kAvx2);

}  // namespace conopa::kernels::avx2

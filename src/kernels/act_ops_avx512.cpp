#include "kernels/act_ops_isa.h"
#include "kernels/simd/act_lanes_avx512.h"
#include "kernels/simd/act_table.h"

namespace conopa::kernels::avx512 {

constinit const ActOps kActOps = simd::act_ops_row<ActLanes<RoundByBits>>("avx512", Isa::kAvx512);

}  // namespace conopa::kernels::avx512

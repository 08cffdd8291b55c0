#include "kernels/act_ops_isa.h"
#include "kernels/simd/act_lanes_avx512bf16.h"
#include "kernels/simd/act_table.h"

namespace conopa::kernels::avx512bf16 {

constinit const ActOps kActOps = simd::act_ops_row<ActLanes>("avx512_bf16", Isa::kAvx512Bf16);

}  // namespace conopa::kernels::avx512bf16

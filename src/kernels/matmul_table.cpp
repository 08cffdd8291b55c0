#include "kernels/matmul_table.h"

#include <array>

namespace conopa::kernels::detail {
namespace {

constexpr MatmulKernel kTable[] = {
#ifdef CONOPA_X86_KERNELS
    {"avx512_bf16", Isa::kAvx512Bf16, Compute::kBf16, 14, 16, 32, 2, 256, false,
     &avx512bf16::kBf16},
    {"avx512_f32", Isa::kAvx512, Compute::kF32, 14, 16, 32, 1, 384, true, &avx512::kF32},
    {"avx512_bf16_by_f32", Isa::kAvx512, Compute::kBf16, 14, 16, 32, 1, 384, false, &avx512::kBf16},
    {"avx2_f32", Isa::kAvx2, Compute::kF32, 6, 8, 16, 1, 256, true, &avx2::kF32},
    {"avx2_bf16_by_f32", Isa::kAvx2, Compute::kBf16, 6, 8, 16, 1, 256, false, &avx2::kBf16},
#endif
    {"reference_f32", Isa::kReference, Compute::kF32, 1, 1, 1, 1, 1, true, nullptr},
    {"reference_bf16", Isa::kReference, Compute::kBf16, 1, 1, 1, 1, 1, true, nullptr},
};

}  // namespace

std::span<const MatmulKernel> matmul_kernels() noexcept { return kTable; }

const MatmulKernel& select_matmul_kernel(Compute compute, Isa isa) noexcept {
  const MatmulKernel* row = kTable;
  while (row->compute != compute || row->isa > isa) ++row;  // ends: the last rows fit everywhere
  return *row;
}

}  // namespace conopa::kernels::detail

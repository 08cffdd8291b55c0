#include "kernels/linear_table.h"

namespace conopa::kernels::detail {
namespace {

constexpr LinearKernel kTable[] = {
#ifdef CONOPA_X86_KERNELS
    {"amx_bf16", Isa::kAmx, ActType::kBf16, WordKind::kBf16, 32, 32, 192, 224, 16, 16,
     &amx::kLinearBf16},
    {"amx_i8", Isa::kAmx, ActType::kI8, WordKind::kI8, 32, 32, 192, 224, 16, 16, &amx::kLinearI8},
    {"avx512_bf16", Isa::kAvx512Bf16, ActType::kBf16, WordKind::kBf16, 14, 32, 384, 84, 1, 1,
     &avx512bf16::kLinearBf16},
    {"avx512_f32", Isa::kAvx512, ActType::kF32, WordKind::kF32, 14, 32, 384, 84, 1, 1,
     &avx512::kLinearF32},
    {"avx512_bf16_by_f32", Isa::kAvx512, ActType::kBf16, WordKind::kBf16AsF32, 14, 32, 384, 84, 1,
     1, &avx512::kLinearBf16},
    {"avx2_f32", Isa::kAvx2, ActType::kF32, WordKind::kF32, 6, 16, 384, 84, 1, 1,
     &avx2::kLinearF32},
    {"avx2_bf16_by_f32", Isa::kAvx2, ActType::kBf16, WordKind::kBf16AsF32, 6, 16, 384, 84, 1, 1,
     &avx2::kLinearBf16},
    {"avx512_vnni", Isa::kAvx512Bf16, ActType::kI8, WordKind::kU8, 14, 32, 384, 84, 1, 1,
     &avx512bf16::kLinearI8},
    {"avx512_i8_by_i16", Isa::kAvx512, ActType::kI8, WordKind::kI16, 14, 32, 384, 84, 1, 1,
     &avx512::kLinearI8},
    {"avx2_i8_by_i16", Isa::kAvx2, ActType::kI8, WordKind::kI16, 6, 16, 384, 84, 1, 1,
     &avx2::kLinearI8},
#endif
    {"reference_f32", Isa::kReference, ActType::kF32, WordKind::kF32, 1, 1, 1, 1, 1, 1, nullptr},
    {"reference_bf16", Isa::kReference, ActType::kBf16, WordKind::kBf16AsF32, 1, 1, 1, 1, 1, 1,
     nullptr},
    {"reference_i8", Isa::kReference, ActType::kI8, WordKind::kI8, 1, 1, 1, 1, 1, 1, nullptr},
};

}  // namespace

std::span<const LinearKernel> linear_kernels() noexcept { return kTable; }

const LinearKernel& select_linear_kernel(ActType compute, Isa isa) noexcept {
  const LinearKernel* row = kTable;
  while (row->compute != compute || row->isa > isa) ++row;  // ends: the last rows fit everywhere
  return *row;
}

}  // namespace conopa::kernels::detail

#include "kernels/linear_table.h"

namespace conopa::kernels::detail {
namespace {

constexpr LinearKernel kTable[] = {
    {"reference_f32", Isa::kReference, ActType::kF32, WordKind::kF32, 1, 1, 1, nullptr},
    {"reference_bf16", Isa::kReference, ActType::kBf16, WordKind::kBf16AsF32, 1, 1, 1, nullptr},
    {"reference_i8", Isa::kReference, ActType::kI8, WordKind::kI8, 1, 1, 1, nullptr},
};

}  // namespace

std::span<const LinearKernel> linear_kernels() noexcept { return kTable; }

const LinearKernel& select_linear_kernel(ActType compute, Isa isa) noexcept {
  const LinearKernel* row = kTable;
  while (row->compute != compute || row->isa > isa) ++row;  // ends: the last rows fit everywhere
  return *row;
}

}  // namespace conopa::kernels::detail

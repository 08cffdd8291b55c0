#include "kernels/attend_table.h"

#include "kernels/linear_kernel.h"

namespace conopa::kernels::detail {
namespace {

constexpr AttendKernel kTable[] = {
#ifdef CONOPA_X86_KERNELS
    {"amx_bf16", Isa::kAmx, ActType::kBf16, 2, 16, &avx512bf16::kAttendBf16},
    {"avx512_bf16", Isa::kAvx512Bf16, ActType::kBf16, 2, 16, &avx512bf16::kAttendBf16},
    {"avx512_f32", Isa::kAvx512, ActType::kF32, 1, 16, &avx512::kAttendF32},
    {"avx512_bf16_by_f32", Isa::kAvx512, ActType::kBf16, 1, 16, &avx512::kAttendBf16},
    {"avx2_f32", Isa::kAvx2, ActType::kF32, 1, 8, &avx2::kAttendF32},
    {"avx2_bf16_by_f32", Isa::kAvx2, ActType::kBf16, 1, 8, &avx2::kAttendBf16},
#endif
    {"reference", Isa::kReference, ActType::kF32, 1, 1, nullptr},
    {"reference", Isa::kReference, ActType::kBf16, 1, 1, nullptr},
};

#ifdef CONOPA_X86_KERNELS
void multiply_amx(const PanelTask& task) noexcept {
  LinearPanelTask whole{};
  whole.product = task;
  amx::kLinearBf16.panel(whole);
}

/// The tiles of linear; only whole ones, hence rows and panels that reach beyond the shape.
AttendProduct amx_product() noexcept {
  return {.isa = Isa::kAmx,
          .tile_rows = 32,
          .panel = 32,
          .k_per_word = 2,
          .words_multiple = 16,
          .whole_tiles = true,
          .multiply = multiply_amx,
          .begin = amx::kLinearBf16.begin,
          .end = amx::kLinearBf16.end};
}
#endif

// Best product of the kernel's type whose words and panels are those that the kernel packs.
AttendProduct product_of(const AttendKernel& kernel, Isa isa) noexcept {
#ifdef CONOPA_X86_KERNELS
  if (kernel.isa == Isa::kAmx) return amx_product();
#endif
  const Compute compute = kernel.type == ActType::kF32 ? Compute::kF32 : Compute::kBf16;
  for (const MatmulKernel& row : matmul_kernels()) {
    if (row.compute == compute && row.isa <= isa && row.fn != nullptr &&
        row.k_per_word == kernel.k_per_word && row.panel % kernel.lanes == 0) {
      return {.isa = row.isa,
              .tile_rows = row.tile_rows,
              .panel = row.panel,
              .k_per_word = row.k_per_word,
              .multiply = row.fn->panel};
    }
  }
  return {};
}

}  // namespace

std::span<const AttendKernel> attend_kernels() noexcept { return kTable; }

AttendChoice select_attend(ActType type, Isa isa) noexcept {
  for (const AttendKernel& row : kTable) {
    if (row.type != type || row.isa > isa) continue;
    if (row.fn == nullptr) return {&row, {}};
    const AttendProduct product = product_of(row, isa);
    if (product.multiply != nullptr) return {&row, product};
  }
  return {};  // not reached for the floating types
}

}  // namespace conopa::kernels::detail

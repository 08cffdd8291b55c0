#pragma once

#include "kernels/simd/act_ops.h"
#include "kernels/simd/act_patches.h"

namespace conopa::kernels::simd {

/// The table row of every row operation compiled for the lanes L.
template <typename L>
consteval ActOps act_ops_row(const char* name, Isa isa) noexcept {
  return {.name = name,
          .isa = isa,
          .norm_rows = norm_rows<L>,
          .convert_rows = convert_rows<L>,
          .patch_rows = patch_rows<L>,
          .map_patches = map_patches<L>,
          .depthwise_rows = depthwise_rows<L>};
}

}  // namespace conopa::kernels::simd

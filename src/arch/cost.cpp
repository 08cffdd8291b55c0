#include "conopa/arch/cost.h"

#include "conopa/arch/tensor_table.h"

namespace conopa::arch {

Cost count_cost(const EncoderSpec& spec) {
  const std::int64_t N = spec.num_tokens();
  const std::int64_t D = spec.dim;
  Cost cost;
  cost.patch_embed = spec.num_patches() * D * spec.channels * spec.patch * spec.patch;
  cost.projections = spec.depth * N * 4 * D * D;
  cost.attention = spec.depth * 2 * N * N * D;
  const std::int64_t matrices = spec.mlp == Mlp::kSwiglu ? 3 : 2;
  cost.mlp = spec.depth * N * matrices * D * spec.mlp_hidden;
  cost.head = D * spec.num_classes;
  if (spec.neck == Neck::kDeconvPyramid) {
    // fpn1: two deconvolutions (×2, ×4), fpn2: one; each input position makes 4 outputs.
    cost.neck = spec.num_patches() * 4 * D * D * (1 + 4 + 1);
  }
  cost.parameters = TensorTable(spec).parameter_count();
  return cost;
}

}  // namespace conopa::arch

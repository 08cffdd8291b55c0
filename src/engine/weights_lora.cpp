// Matrices with LoRA branches: the branches are added to the weight once, while it is packed.

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "engine/weight_loader.h"

namespace conopa::engine {
namespace {

// The matrices of a branch list: A [outputs*rank, D], B [outputs*D, rank].
struct Branches {
  const std::vector<float>& a;
  const std::vector<float>& b;
  std::int64_t width, rank;
  double factor;

  // row of W += factor * B_i[row] A_i
  void add(std::int64_t output, std::int64_t row, float* weight) const {
    for (std::int64_t r = 0; r < rank; ++r) {
      const float* from = a.data() + (output * rank + r) * width;
      const auto share = static_cast<float>(
          factor *
          static_cast<double>(b[static_cast<std::size_t>((output * width + row) * rank + r)]));
      for (std::int64_t c = 0; c < width; ++c) weight[c] += share * from[c];
    }
  }
};

}  // namespace

LinearWeights WeightLoader::merged(const arch::BlockSpec& block, std::string_view layer,
                                   std::string_view branches, std::int64_t sections) const {
  const std::string prefix = block.name(layer);
  if (block.lora_rank == 0) return linear(prefix, types_.input);
  if (source_.quant_form()) {
    throw UnsupportedError(source_.where(),
                           "expected float weights below LoRA branches, found {} ones; merge the "
                           "branches into the float model, then quantise it",
                           enum_name(*source_.quant_form()));
  }
  const std::int64_t D = block.dim;
  std::vector<float> weight = floats(prefix + ".weight");
  const std::vector<float> a = floats(block.name(branches) + "_A");
  const std::vector<float> b = floats(block.name(branches) + "_B");
  const Branches all{.a = a,
                     .b = b,
                     .width = D,
                     .rank = block.lora_rank,
                     .factor = block.lora_alpha / static_cast<double>(block.lora_rank)};
  const std::int64_t outputs = sections == 3 ? 2 : 1;  // keys have no branch
  for (std::int64_t i = 0; i < outputs; ++i) {
    const std::int64_t first = i == 0 ? 0 : 2 * D;
    parallel_for(0, D, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        all.add(i, row, weight.data() + (first + row) * D);
      }
    });
  }
  LinearWeights out = packed(weight, sections * D, types_.input);
  out.bias = floats_or_none(prefix + ".bias");
  return out;
}

}  // namespace conopa::engine

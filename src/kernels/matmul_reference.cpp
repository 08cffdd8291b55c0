#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/core/parallel.h"
#include "kernels/matmul_table.h"

namespace conopa::kernels::detail {
namespace {

// A [rows, k] copy of an operand whose element (row, k) lies at from[row * ld + k] or, if not
// k_contiguous, at from[k * ld + row].
std::vector<float> plain_copy(const float* from, std::int64_t ld, bool k_contiguous,
                              std::int64_t rows, std::int64_t depth, Compute compute) {
  std::vector<float> copy;
  copy.reserve(static_cast<std::size_t>(rows * depth));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t k = 0; k < depth; ++k) {
      const float value = k_contiguous ? from[row * ld + k] : from[k * ld + row];
      copy.push_back(compute == Compute::kF32 ? value : bf16_to_float(float_to_bf16(value)));
    }
  }
  return copy;
}

}  // namespace

void matmul_reference(const MatmulArgs& args) {
  const auto a = plain_copy(args.a, args.lda, args.layout_a == Layout::kAsStored, args.M, args.K,
                            args.compute);
  const auto b = plain_copy(args.b, args.ldb, args.layout_b == Layout::kTransposed, args.N, args.K,
                            args.compute);
  const auto rows = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t j = 0; j < args.N; ++j) {
        double sum = args.bias == nullptr ? 0.0 : args.bias[j];
        for (std::int64_t k = 0; k < args.K; ++k) {
          sum += double{a[static_cast<std::size_t>(i * args.K + k)]} *
                 b[static_cast<std::size_t>(j * args.K + k)];
        }
        if (args.residual != nullptr) sum += args.residual[i * args.ld_residual + j];
        float& c = args.c[i * args.ldc + j];
        c = static_cast<float>(args.beta == 0.0F ? sum : sum + c);
      }
    }
  };
  parallel_for(0, args.M, 16, rows);
}

}  // namespace conopa::kernels::detail

#include "conopa/kernels/matmul.h"

#include <fmt/format.h>

#include <algorithm>

#include "conopa/core/error.h"
#include "kernels/matmul_driver.h"

namespace conopa::kernels {

struct PackedMatrix::Impl {
  const detail::MatmulKernel* kernel = nullptr;
  std::int64_t n = 0, k = 0;
  detail::WordBuffer words;
  std::unique_ptr<float[]> plain;  // [K, N] for the reference, which packs nothing
};

namespace {

using detail::MatmulKernel;

void check(bool holds, const char* what, std::int64_t value) {
  if (!holds) throw ShapeError("matmul", "expected {}, got {}; check the caller", what, value);
}

// `size` elements whose rows are `length` long.
void check_operand(const float* data, std::int64_t size, std::int64_t length, std::int64_t ld,
                   const char* what) {
  check(ld >= length, what, ld);
  check(data != nullptr || size == 0, "a pointer to every operand, null for", size);
}

void check_right(const PackArgs& args) {
  check(args.N >= 0 && args.K >= 0, "dimensions of at least 0", std::min(args.N, args.K));
  const bool stored = args.layout_b == Layout::kAsStored;
  check_operand(args.b, args.N * args.K, stored ? args.N : args.K, args.ldb,
                "ldb of at least the row length of b");
}

void check_isa(Isa isa) {
  if (isa > detected_isa()) {
    throw UnsupportedError("matmul", "expected at most {}, got {}; lower the level",
                           isa_name(detected_isa()), isa_name(isa));
  }
}

void check_arguments(const MatmulArgs& args) {
  check(args.M >= 0 && args.N >= 0 && args.K >= 0, "dimensions of at least 0",
        std::min({args.M, args.N, args.K}));
  const bool stored = args.layout_a == Layout::kAsStored;
  check_operand(args.a, args.M * args.K, stored ? args.K : args.M, args.lda,
                "lda of at least the row length of a");
  if (args.packed_b == nullptr) {
    check_right({.N = args.N,
                 .K = args.K,
                 .b = args.b,
                 .ldb = args.ldb,
                 .layout_b = args.layout_b,
                 .compute = args.compute});
  } else {
    check(args.packed_b->columns() == args.N && args.packed_b->rows() == args.K,
          "packed_b of N columns and K rows; columns", args.packed_b->columns());
  }
  check_operand(args.c, args.M * args.N, args.N, args.ldc, "ldc of at least N");
  check(args.beta == 0.0F || args.beta == 1.0F, "beta 0 or 1",
        static_cast<std::int64_t>(args.beta));
  check(args.residual == nullptr || args.ld_residual >= args.N, "ld_residual of at least N",
        args.ld_residual);
}

const MatmulKernel& kernel_for(const MatmulArgs& args, Isa isa) {
  check_isa(isa);
  if (args.packed_b != nullptr && !args.packed_b->empty()) return *args.packed_b->impl()->kernel;
  return detail::select_matmul_kernel(args.compute, isa);
}

void fill(PackedMatrix::Impl& impl, const PackArgs& args) {
  impl.n = args.N;
  impl.k = args.K;
  if (impl.kernel->fn != nullptr) {
    const auto words = detail::packed_words(*impl.kernel, args.N, args.K);
    detail::pack_matrix(*impl.kernel, args, impl.words.reserve(words));
    return;
  }
  impl.plain = std::make_unique<float[]>(static_cast<std::size_t>(args.N * args.K));
  for (std::int64_t k = 0; k < args.K; ++k) {
    for (std::int64_t j = 0; j < args.N; ++j) {
      impl.plain[static_cast<std::size_t>(k * args.N + j)] =
          args.layout_b == Layout::kAsStored ? args.b[k * args.ldb + j] : args.b[j * args.ldb + k];
    }
  }
}

}  // namespace

PackedMatrix::PackedMatrix() noexcept = default;
PackedMatrix::~PackedMatrix() = default;
PackedMatrix::PackedMatrix(PackedMatrix&&) noexcept = default;
PackedMatrix& PackedMatrix::operator=(PackedMatrix&&) noexcept = default;

PackedMatrix PackedMatrix::pack(const PackArgs& args, Isa isa) {
  check_right(args);
  check_isa(isa);
  PackedMatrix matrix;
  matrix.impl_ = std::make_unique<Impl>();
  matrix.impl_->kernel = &detail::select_matmul_kernel(args.compute, isa);
  fill(*matrix.impl_, args);
  return matrix;
}

PackedMatrix PackedMatrix::pack(const PackArgs& args) { return pack(args, active_isa()); }

void PackedMatrix::repack(const PackArgs& args) {
  check_right(args);
  if (!impl_) impl_ = std::make_unique<Impl>();
  impl_->kernel = &detail::select_matmul_kernel(args.compute, active_isa());
  fill(*impl_, args);
}

std::int64_t PackedMatrix::rows() const noexcept { return impl_ ? impl_->k : 0; }
std::int64_t PackedMatrix::columns() const noexcept { return impl_ ? impl_->n : 0; }
std::int64_t PackedMatrix::bytes() const noexcept {
  if (!impl_) return 0;
  const std::int64_t plain = impl_->plain ? impl_->n * impl_->k : 0;
  return (impl_->words.capacity() + plain) * static_cast<std::int64_t>(sizeof(float));
}

void matmul(const MatmulArgs& args) { matmul(args, active_isa()); }

void matmul(const MatmulArgs& args, Isa isa) {
  check_arguments(args);
  if (args.M == 0 || args.N == 0) return;
  const MatmulKernel& kernel = kernel_for(args, isa);
  const PackedMatrix::Impl* packed = args.packed_b == nullptr ? nullptr : args.packed_b->impl();
  if (kernel.fn != nullptr) {
    detail::run_matmul(kernel, args, packed == nullptr ? nullptr : packed->words.data());
    return;
  }
  MatmulArgs plain = args;
  plain.compute = kernel.compute;
  if (packed != nullptr) {
    plain.b = packed->plain.get();
    plain.ldb = args.N;
    plain.layout_b = Layout::kAsStored;
  }
  detail::matmul_reference(plain);
}

std::string explain(const MatmulArgs& args) { return explain(args, active_isa()); }

std::string explain(const MatmulArgs& args, Isa isa) {
  const MatmulKernel& kernel = kernel_for(args, isa);
  if (kernel.fn == nullptr) return kernel.name;
  const detail::MatmulPlan plan = detail::plan_matmul(kernel, args);
  const detail::KBlocks blocks(kernel, args.K);
  const std::string tile = fmt::format("{} {}x{}, k blocks of {}", kernel.name, kernel.tile_rows,
                                       kernel.panel, blocks.block * kernel.k_per_word);
  switch (plan.split) {
    case detail::MatmulPlan::Split::kRows:
      return fmt::format("{}, rows over {} threads", tile, plan.threads);
    case detail::MatmulPlan::Split::kPanels:
      return fmt::format("{}, columns over {} threads", tile, plan.threads);
    case detail::MatmulPlan::Split::kDepth:
      break;
  }
  return fmt::format("{}, k over {} and rows over {} threads", tile, plan.depth_parts,
                     plan.row_parts);
}

}  // namespace conopa::kernels

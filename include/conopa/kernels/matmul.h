#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "conopa/kernels/isa.h"

namespace conopa::kernels {

/// Arithmetic of a matrix product. Storage is float32 and sums are float32 in both cases.
enum class Compute : std::uint8_t {
  kF32,  ///< float32 operands
  kBf16  ///< operands rounded to bfloat16 (nearest even) first; subnormals may become zero
};

/// Whether an operand is used as stored or transposed.
enum class Layout : std::uint8_t { kAsStored, kTransposed };

/// What PackedMatrix::pack needs to know; fields as in MatmulArgs.
struct PackArgs {
  std::int64_t N = 0, K = 0;
  const float* b = nullptr;
  std::int64_t ldb = 0;
  Layout layout_b = Layout::kAsStored;
  Compute compute = Compute::kF32;
};

/// The right operand of a product in the order its kernel reads it: pack a weight once, use it
/// for many products. Movable; holds a copy of the values, about N*K*4 bytes (kBf16 with
/// hardware support: half).
class PackedMatrix {
 public:
  PackedMatrix() noexcept;
  ~PackedMatrix();
  PackedMatrix(PackedMatrix&&) noexcept;
  PackedMatrix& operator=(PackedMatrix&&) noexcept;

  /// Packs for the best kernel up to level `isa` (at most detected_isa()).
  ///
  /// @throws ShapeError as matmul; UnsupportedError if `isa` is above detected_isa().
  /// @complexity O(N*K), parallel.
  [[nodiscard]] static PackedMatrix pack(const PackArgs& args, Isa isa);
  /// Packs for active_isa().
  [[nodiscard]] static PackedMatrix pack(const PackArgs& args);
  /// Packs anew into the memory of this object where it suffices (a weight after each step).
  void repack(const PackArgs& args);

  [[nodiscard]] bool empty() const noexcept { return impl_ == nullptr; }
  [[nodiscard]] std::int64_t rows() const noexcept;     ///< K
  [[nodiscard]] std::int64_t columns() const noexcept;  ///< N
  [[nodiscard]] std::int64_t bytes() const noexcept;    ///< size of the packed copy

  struct Impl;
  [[nodiscard]] const Impl* impl() const noexcept { return impl_.get(); }

 private:
  std::unique_ptr<Impl> impl_;
};

/// One product c[M,N] = op(a)[M,K] * op(b)[K,N] + beta*c + bias + residual, all float32,
/// row-major with leading dimensions in elements.
///
/// The three products of a linear layer y = x*W^T with W [out, in]:
/// forward `{.M=rows, .N=out, .K=in, .a=x, .b=W, .layout_b=kTransposed}`, input gradient
/// `{.M=rows, .N=in, .K=out, .a=dy, .b=W}`, weight gradient
/// `{.M=out, .N=in, .K=rows, .a=dy, .layout_a=kTransposed, .b=x}`.
struct MatmulArgs {
  std::int64_t M = 0, N = 0, K = 0;

  const float* a = nullptr;  ///< [M, K], or [K, M] if transposed
  std::int64_t lda = 0;
  Layout layout_a = Layout::kAsStored;

  const float* b = nullptr;  ///< [K, N], or [N, K] if transposed; unused with packed_b
  std::int64_t ldb = 0;
  Layout layout_b = Layout::kAsStored;
  const PackedMatrix* packed_b = nullptr;  ///< replaces b; fixes compute and the kernel

  float* c = nullptr;  ///< [M, N]; must not overlap a, b or residual
  std::int64_t ldc = 0;
  float beta = 0.0F;  ///< 0 (c is write-only, its NaNs vanish) or 1 (accumulate)

  const float* bias = nullptr;      ///< [N] or null, added to every row
  const float* residual = nullptr;  ///< [M, N] or null, added elementwise
  std::int64_t ld_residual = 0;

  Compute compute = Compute::kF32;
};

/// Computes the product with the best kernel of active_isa(), in parallel on core/parallel.h.
///
/// Same shapes, level and thread count give the same bytes. NaN and infinity propagate as in
/// the plain sum of products. May be called from several threads at once.
/// @throws ShapeError if a dimension is negative, a leading dimension too small, a needed
///         pointer null, beta neither 0 nor 1, or packed_b of another shape.
/// @complexity O(M*N*K); scratch is kept per thread for the next call.
void matmul(const MatmulArgs& args);

/// As above with kernels up to level `isa` (tests, comparisons).
///
/// @throws UnsupportedError if `isa` is above detected_isa().
void matmul(const MatmulArgs& args, Isa isa);

/// Kernel and plan that matmul would choose, e.g. "avx512_f32 14x32, k 256, rows over 2 threads".
[[nodiscard]] std::string explain(const MatmulArgs& args);
[[nodiscard]] std::string explain(const MatmulArgs& args, Isa isa);

}  // namespace conopa::kernels

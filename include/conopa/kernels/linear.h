#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "conopa/kernels/act_rows.h"
#include "conopa/kernels/isa.h"

namespace conopa::kernels {

/// Forms in which a weight matrix [N, K] is stored.
enum class WeightForm : std::uint8_t {
  kF32,
  kF16,
  kBf16,
  kI8,    ///< int8 rows with one float32 scale a row
  kQ8_0,  ///< blocks of 32 along K: fp16 scale, 32 int8 (GGUF Q8_0)
  kQ4_0   ///< blocks of 32 along K: fp16 scale, 32 four-bit values minus 8 (GGUF Q4_0)
};

/// A stored weight matrix, row-major [N, K].
struct WeightView {
  WeightForm form = WeightForm::kF32;
  const void* data = nullptr;    ///< block forms: K must be a multiple of 32
  const float* scale = nullptr;  ///< kI8: [N]

  [[nodiscard]] bool empty() const noexcept { return data == nullptr; }
};

/// What PackedWeight::pack needs to know.
struct WeightPack {
  std::int64_t N = 0;  ///< rows of the weight = output channels (of gate and up: hidden width)
  std::int64_t K = 0;  ///< input channels
  WeightView weight{};
  WeightView gate{};  ///< if given: `weight` is the up projection; the product is silu(gate) * up
  /// Arithmetic and input type: kF32 and kBf16 multiply in that type with float32 sums; kI8
  /// multiplies int8 by int8 into int32 and quantises weights of other forms per row,
  /// symmetrically. Block forms stay packed as blocks and are expanded a panel at a time, so they
  /// save memory; they take kF32 or kBf16.
  ActType compute = ActType::kF32;
};

/// A weight in the order its kernel reads it. Made once a model; movable, immutable, shared freely
/// between threads.
class PackedWeight {
 public:
  PackedWeight() noexcept;
  ~PackedWeight();
  PackedWeight(PackedWeight&&) noexcept;
  PackedWeight& operator=(PackedWeight&&) noexcept;

  /// Packs for the best kernel up to level `isa` (at most detected_isa()).
  ///
  /// @throws ShapeError for sizes below 1, a null pointer or block forms with K not a multiple of
  ///         32; UnsupportedError if `isa` is above detected_isa() or the forms cannot be computed
  ///         in `compute`.
  /// @complexity O(N*K), parallel; allocates about N*K elements of the packed type.
  [[nodiscard]] static PackedWeight pack(const WeightPack& args, Isa isa);
  /// Packs for active_isa().
  [[nodiscard]] static PackedWeight pack(const WeightPack& args);

  [[nodiscard]] bool empty() const noexcept { return impl_ == nullptr; }
  [[nodiscard]] std::int64_t inputs() const noexcept;   ///< K
  [[nodiscard]] std::int64_t outputs() const noexcept;  ///< N: columns that linear() writes
  [[nodiscard]] bool gated() const noexcept;            ///< packed with a gate
  [[nodiscard]] ActType compute() const noexcept;
  [[nodiscard]] std::int64_t bytes() const noexcept;  ///< size of the packed copy
  /// Kernel and layout, e.g. "avx512_bf16 14x32" or "amx_bf16 32x32 from q4_0".
  [[nodiscard]] std::string kernel() const;

  struct Impl;
  [[nodiscard]] const Impl* impl() const noexcept { return impl_.get(); }

 private:
  std::unique_ptr<Impl> impl_;
};

/// kGelu is the exact one (erf). With bf16 output, GELU and SiLU may err by 2^-11 of their value
/// (2^-9 where GELU is below -3) before they are rounded.
enum class Activation : std::uint8_t { kNone, kGelu };

/// Rotation of the output's head channels by position (adjacent pairs), on the float32 sums.
struct LinearRope {
  const float* cos = nullptr;  ///< [heads or 1, tokens, head_width/2]; null for none
  const float* sin = nullptr;
  std::int64_t tokens = 1;       ///< row m uses table row m % tokens
  std::int64_t head_width = 0;   ///< even
  std::int64_t head_stride = 0;  ///< elements between the heads' tables; 0: shared
  std::int64_t heads = 0;        ///< head h of a section uses table h
  /// Columns [0, columns) are rotated: whole sections of heads*head_width (queries, then keys).
  /// Gated products cannot be rotated.
  std::int64_t columns = 0;
};

/// What happens to the float32 sums on their way out, in this order: + bias, activation (silu(gate)
/// * up for gated weights), rotation, * layer_scale, + residual.
struct Epilogue {
  const float* bias = nullptr;       ///< [N]
  const float* gate_bias = nullptr;  ///< [N], gated weights
  Activation activation = Activation::kNone;
  LinearRope rope{};
  const float* layer_scale = nullptr;  ///< [N]
  const float* residual = nullptr;     ///< float32 [rows, N]; may be the output itself
  std::int64_t residual_stride = 0;
  /// Input row m adds residual row m % residual_rows, whatever its output row; 0: row m.
  std::int64_t residual_rows = 0;
};

/// y[M,N] = epilogue(x[M,K] * W^T).
struct LinearArgs {
  std::int64_t M = 0;
  ConstAct x{};  ///< type = weight->compute()
  const PackedWeight* weight = nullptr;
  Epilogue epilogue{};
  MutableAct y{};  ///< kF32 or kBf16
  /// Output row of input row m is (m / group) * group_stride + m % group rows behind `y`; 0: m.
  /// Writes patches of an image behind or in front of its class token.
  std::int64_t group = 0;
  std::int64_t group_stride = 0;
};

/// Computes the layer with the kernel that the weight was packed for, in parallel on
/// core/parallel.h. The result does not depend on the number of rows in the call.
///
/// @throws ShapeError if a pointer is null, a stride too small, a type not the kernel's.
/// @complexity O(M*N*K); scratch is kept per thread for the next call. Thread-safe.
void linear(const LinearArgs& args);

/// How linear() would run M rows: kernel, blocks, split over threads.
[[nodiscard]] std::string explain_linear(const PackedWeight& weight, std::int64_t M);

}  // namespace conopa::kernels

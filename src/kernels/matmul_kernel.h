#pragma once

// What the instruction-set files of matmul and their driver share. Those files are compiled with
// wider instruction sets than the rest, so this header must not bring in any inline function of
// the standard library: the linker could keep the wide copy for everyone.

#include <cstdint>

namespace conopa::kernels::detail {

/// Four bytes of a packed operand: one float, or two bfloat16 that are neighbours in k.
using Word [[gnu::may_alias]] = float;

/// How the words of the left operand lie in memory.
enum class ALayout : std::uint8_t {
  kRows,  ///< word p of row i at a[i * a_stride + p]: a matrix as stored, or a copy of rows
  kTiles  ///< tiles of mr rows, a_stride words apart; word p of row i of a tile at p * pitch + i
};

/// A row block of the left operand times one panel of the right one.
struct PanelTask {
  const Word* a;
  std::int64_t a_stride;
  ALayout a_layout;
  const Word* b;       ///< [words][nr], zero beyond `cols`
  std::int64_t words;  ///< length of the sums
  float* c;
  std::int64_t ldc;
  std::int64_t rows;
  std::int64_t cols;      ///< 1..nr
  bool accumulate;        ///< add to c instead of overwriting it
  const float* bias;      ///< of these columns, or null
  const float* residual;  ///< of these rows and columns, or null
  std::int64_t ld_residual;
  const float* ahead;        ///< where the operands of the next block lie,
  std::int64_t ahead_lines;  ///< and how many cache lines of them to call into the second level
};

/// Part of an operand to be packed.
struct PackTask {
  const float* src;
  std::int64_t ld;
  bool k_contiguous;   ///< element (i, k) at src[i * ld + k], else at src[k * ld + i]
  std::int64_t count;  ///< rows of a or columns of b
  std::int64_t k;      ///< elements along k
  std::int64_t words;  ///< words along k to write; those beyond k are zero
  Word* dst;
  std::int64_t stride;  ///< a: the a_stride of PanelTask; b: unused
};

/// The functions of one kernel. pack_a writes kRows for k-contiguous sources and kTiles for
/// others; pack_b writes one panel.
struct MatmulFunctions {
  void (*panel)(const PanelTask&) noexcept;
  void (*pack_a)(const PackTask&) noexcept;
  void (*pack_b)(const PackTask&) noexcept;
};

namespace avx2 {
extern const MatmulFunctions kF32;
extern const MatmulFunctions kBf16;  // operands rounded in packing, float32 arithmetic
}  // namespace avx2
namespace avx512 {
extern const MatmulFunctions kF32;
extern const MatmulFunctions kBf16;  // as avx2
}  // namespace avx512
namespace avx512bf16 {
extern const MatmulFunctions kBf16;
}  // namespace avx512bf16

}  // namespace conopa::kernels::detail

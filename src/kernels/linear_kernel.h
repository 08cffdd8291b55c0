#pragma once

// What the instruction-set files of linear and their driver share; no inline function of the
// standard library, for the reason given in matmul_kernel.h.

#include <cstddef>
#include <cstdint>

#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {

/// What the four bytes of a packed word hold: neighbours in k of one column.
enum class WordKind : std::uint8_t {
  kF32,        ///< one float
  kBf16AsF32,  ///< one float rounded to bfloat16
  kBf16,       ///< two bfloat16
  kI16,        ///< two int8 widened to int16
  kU8,         ///< four int8 plus 128
  kI8          ///< four int8
};

[[nodiscard]] constexpr std::int64_t elements_per_word(WordKind kind) noexcept {
  switch (kind) {
    case WordKind::kBf16:
    case WordKind::kI16:
      return 2;
    case WordKind::kU8:
    case WordKind::kI8:
      return 4;
    default:
      return 1;
  }
}

/// Rows of activations that a kernel cannot read in place, or whose sums it needs.
struct RowsTask {
  const std::byte* src;
  std::int64_t stride;  ///< bytes
  std::int64_t rows;
  std::int64_t words;       ///< packed words of a row; src is zero up to the end of its last line
  Word* dst;                ///< [rows][dst_stride]: the rows in the kernel's words
  std::int64_t dst_stride;  ///< words
  std::int32_t* sums;       ///< kU8: [rows], sums of the int8 elements
};

/// Blocks of one panel of a block form, in the order of linear_pack.h, to be expanded.
struct BlocksTask {
  const std::byte* src;
  std::int64_t blocks;  ///< along k
  bool four_bit;
  Word* dst;  ///< [words][panel]
};

/// Rotation of some columns of a panel by the position of their rows.
struct RotationTask {
  const float* cos = nullptr;  ///< null for none
  const float* sin = nullptr;
  std::int64_t tokens = 1;
  std::int64_t half_width = 0;  ///< of a head
  std::int64_t head_stride = 0;
  std::int64_t heads = 1;
  std::int64_t columns = 0;  ///< of the whole output that are rotated
};

/// What becomes of a block of sums of one panel. Column pointers are those of the panel's first
/// output, row pointers those of the block's first row.
struct EpilogueTask {
  float* sums;  ///< [rows][panel], float32 or int32; overwritten
  std::int64_t rows;
  std::int64_t row;      ///< of the first row in the whole product
  std::int64_t column;   ///< of the first output in the whole product
  std::int64_t columns;  ///< outputs to write: of gated panels at most half of the panel
  std::int64_t pad;      ///< elements behind them to fill with zeros

  const float* row_scale;       ///< int32 sums: [rows]
  const std::int32_t* row_sum;  ///< kU8: [rows]
  const float* column_scale;    ///< int32 sums: [panel], gate and up as packed

  bool gated;  ///< the first half of the panel is the gate of the second
  bool gelu;
  const float* bias;       ///< or null
  const float* gate_bias;  ///< or null
  RotationTask rotation;
  const float* layer_scale;  ///< or null
  const float* residual;     ///< or null; row 0 of the matrix
  std::int64_t residual_stride;
  std::int64_t residual_rows;  ///< row m reads row m % residual_rows

  std::byte* y;           ///< output row 0
  std::int64_t y_stride;  ///< bytes
  bool bf16;
  std::int64_t group;         ///< rows of a group
  std::int64_t group_stride;  ///< output rows between the starts of two groups
};

/// Sums of a row block and one panel: rows in place, whole panels, no bias and no residual.
struct LinearPanelTask {
  PanelTask product;
  const std::byte* output;     ///< where the block's outputs of this panel will go, or null:
  std::int64_t output_stride;  ///< bytes between their rows
  std::int64_t output_lines;   ///< and cache lines of each, to be called near meanwhile
  const Word* tail;            ///< kernels of whole row groups: copy of the last rows, padded with
  std::int64_t tail_stride;    ///< zeros to a group; null if the rows are whole groups
  /// Of the last k block, to be called with the rows that are complete; else null.
  const EpilogueTask* epilogue;
  void (*finish)(const EpilogueTask&) noexcept;  ///< what to call with its rows
};

/// The functions of one kernel.
struct LinearFunctions {
  void (*panel)(const LinearPanelTask&) noexcept;
  /// Makes the kernel's words out of rows of activations; null if it reads them in place.
  void (*expand_rows)(const RowsTask&) noexcept;
  /// Sums of int8 rows; null if not needed.
  void (*sum_rows)(const RowsTask&) noexcept;
  /// Null for int8 kernels.
  void (*expand_blocks)(const BlocksTask&) noexcept;
  void (*epilogue)(const EpilogueTask&) noexcept;
  void (*begin)() noexcept = nullptr;  ///< before and after the panels of one thread and call
  void (*end)() noexcept = nullptr;
};

namespace avx2 {
extern const LinearFunctions kLinearF32;
extern const LinearFunctions kLinearBf16;
extern const LinearFunctions kLinearI8;
}  // namespace avx2
namespace avx512 {
extern const LinearFunctions kLinearF32;
extern const LinearFunctions kLinearBf16;
extern const LinearFunctions kLinearI8;
}  // namespace avx512
namespace avx512bf16 {
extern const LinearFunctions kLinearBf16;
extern const LinearFunctions kLinearI8;
void expand_blocks(const BlocksTask& task) noexcept;
void epilogue_of_floats(const EpilogueTask& task) noexcept;
void epilogue_of_integers(const EpilogueTask& task) noexcept;
}  // namespace avx512bf16
namespace amx {
extern const LinearFunctions kLinearBf16;
extern const LinearFunctions kLinearI8;
}  // namespace amx

}  // namespace conopa::kernels::detail

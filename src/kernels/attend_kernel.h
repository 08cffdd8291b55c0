#pragma once

// What the instruction-set files of attend and its driver share. As in matmul_kernel.h nothing here
// may bring in inline functions of the standard library.

#include <cstdint>

#include "conopa/kernels/act_rows.h"
#include "conopa/kernels/isa.h"
#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {

/// The columns of one head in `count` rows, `index[i]` or `first + i`.
struct HeadRows {
  const void* data;  ///< the head's first element in row 0
  std::int64_t stride;
  const std::int32_t* index;  ///< of these rows, or null
  std::int64_t first;
  std::int64_t count;
  std::int64_t width;

  [[nodiscard, gnu::always_inline]] std::int64_t row(std::int64_t i) const noexcept {
    return index == nullptr ? first + i : index[i];
  }
};

/// Rows to be packed as an operand of a product.
struct HeadPack {
  HeadRows rows;
  Word* dst;
  std::int64_t words;  ///< along the depth of the product
  std::int64_t panel;  ///< columns of a panel; queries: words from one row to the next
};

/// A prefix of the keys that grows with the row: clamp(i + shift, least, most) in row i of a tile,
/// or `most` in row 0 if it is open.
struct KeyPrefix {
  std::int64_t shift;
  std::int64_t least;
  std::int64_t most;
  bool first_open;

  [[nodiscard, gnu::always_inline]] std::int64_t operator()(std::int64_t i) const noexcept {
    if (first_open && i == 0) return most;
    const std::int64_t grown = i + shift > least ? i + shift : least;
    return grown < most ? grown : most;
  }
};

/// Memory that is needed soon: the rows of the next head, of which query i asks for the rows
/// [i * step, (i + 1) * step) of each, and this head's output rows. The rows of a head lie far
/// apart, so that the processor's own prefetching misses most of them.
struct HeadAhead {
  HeadRows q, k, v;
  std::int64_t query;  ///< first of the tile
  std::int64_t q_step, k_step;
  std::int64_t bytes;  ///< of a row
  HeadRows out;        ///< of the tile
};

/// A tile of scores, one row a query, that becomes weights in place.
struct SoftmaxTask {
  float* scores;
  std::int64_t pitch;
  std::int64_t rows;
  float scale;        ///< of the scores, times log2(e)
  KeyPrefix visible;  ///< keys of the block in the softmax
  KeyPrefix whole;    ///< keys with full weight, a prefix of those
  float alpha;        ///< factor of the weights behind them
  std::int64_t keys;  ///< weights to write, zero where nothing is visible
  bool first;         ///< first block: the running values are not read
  float* top;         ///< [rows] running largest score
  float* sum;         ///< [rows] running sum of weights before alpha
  float* acc;         ///< sums of values so far, rescaled where the top rises
  std::int64_t acc_pitch;
  const HeadAhead* ahead;  ///< null behind the first block
};

/// Division by the sums and conversion to the output's type.
struct FinishTask {
  const float* acc;
  std::int64_t acc_pitch;
  const float* sum;  ///< [rows]
  HeadRows rows;     ///< data is written
  std::int64_t pad;  ///< elements behind the head to fill with zeros
};

/// The functions of one kernel besides the products.
struct AttendFunctions {
  void (*pack_queries)(const HeadPack&) noexcept;  ///< rows of words
  void (*pack_keys)(const HeadPack&) noexcept;     ///< panels of keys, words along the head width
  void (*pack_values)(const HeadPack&) noexcept;   ///< panels of columns, words along the keys
  void (*softmax)(const SoftmaxTask&) noexcept;
  void (*finish)(const FinishTask&) noexcept;
};

namespace avx2 {
extern const AttendFunctions kAttendF32;
extern const AttendFunctions kAttendBf16;  // float32 words
}  // namespace avx2
namespace avx512 {
extern const AttendFunctions kAttendF32;
extern const AttendFunctions kAttendBf16;  // float32 words
}  // namespace avx512
namespace avx512bf16 {
extern const AttendFunctions kAttendBf16;
}  // namespace avx512bf16

}  // namespace conopa::kernels::detail

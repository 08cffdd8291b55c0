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

/// A tile of scores, one row a query, that becomes weights in place.
struct SoftmaxTask {
  float* scores;
  std::int64_t pitch;
  std::int64_t rows;
  float scale;                  ///< of the scores, times log2(e)
  const std::int64_t* visible;  ///< [rows] keys of the block in the softmax: a prefix
  const std::int64_t* whole;    ///< [rows] keys with full weight: a prefix of those
  float alpha;                  ///< factor of the weights behind it
  std::int64_t keys;            ///< weights to write, zero where nothing is visible
  bool first;                   ///< first block: the running values are not read
  float* top;                   ///< [rows] running largest score
  float* sum;                   ///< [rows] running sum of weights before alpha
  float* acc;                   ///< sums of values so far, rescaled where the top rises
  std::int64_t acc_pitch;
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

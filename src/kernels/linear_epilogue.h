#pragma once

// From sums to outputs, two vectors (a panel) a row. V is a vector type of simd/ and Out adds what
// the inference kernels need:
//   V Out::from_int(const float*, std::int32_t)  int32 sums to float
//   void Out::store_bf16(std::uint16_t*, V, lanes)
//   void Out::store_bf16_pair(std::uint16_t*, V, V)  two whole vectors
//   V Out::gelu<kBf16>(V), V Out::silu<kBf16>(V)  exact, or good for bf16 outputs
// In an unnamed namespace for the reason given in matmul_tile.h.

#include "kernels/linear_kernel.h"
#include "kernels/simd/exp.h"
#include "kernels/simd/lanes.h"
#include "kernels/simd/quick.h"

namespace conopa::kernels::detail {
namespace {

/// Steps through `rows` that repeat, without a division per row.
struct CyclicRow {
  CyclicRow(std::int64_t row, std::int64_t count) : rows(count), at(row % count) {}
  void next() {
    if (++at == rows) at = 0;
  }
  std::int64_t rows;
  std::int64_t at;
};

/// Columns [begin, end) of a panel that belong to one head, and their place in its table.
struct HeadPart {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t offset;  ///< elements of the tables behind the token's row
};

/// The head of output `column` and how far it reaches within `columns` outputs of a panel that
/// begins with output `first`.
inline HeadPart head_part(const RotationTask& r, std::int64_t first, std::int64_t column,
                          std::int64_t columns) {
  const std::int64_t width = 2 * r.half_width;
  const std::int64_t channel = column % width;
  const std::int64_t head = column / width % r.heads;
  const std::int64_t last = first + columns < r.columns ? first + columns : r.columns;
  const std::int64_t end = column - channel + width < last ? column - channel + width : last;
  return {column - first, end - first, head * r.head_stride + channel / 2};
}

/// Rotates the rows of a block of sums, head by head.
template <typename V, std::int64_t kPanel>
void rotate_block(const EpilogueTask& task) {
  const RotationTask& r = task.rotation;
  for (std::int64_t column = task.column;
       column < task.column + task.columns && column < r.columns;) {
    const HeadPart part = head_part(r, task.column, column, task.columns);
    CyclicRow token(task.row, r.tokens);
    for (std::int64_t i = 0; i < task.rows; ++i, token.next()) {
      float* const sums = task.sums + i * kPanel + part.begin;
      const float* const cos = r.cos + part.offset + token.at * r.half_width;
      const float* const sin = r.sin + part.offset + token.at * r.half_width;
      simd::for_vectors<V>(0, part.end - part.begin, [&](std::int64_t j, auto n) {
        V::rotate_pairs(V::load(sums + j, n), V::load_twice(cos + j / 2, n),
                        V::load_twice(sin + j / 2, n))
            .store(sums + j, n);
      });
    }
    column = task.column + part.end;
  }
}

/// Where the row in hand goes and what is added to it.
struct OutputRows {
  explicit OutputRows(const EpilogueTask& task)
      : residual(task.row, task.residual_rows),
        in_group(task.row % task.group),
        y(task.y + (task.row / task.group * task.group_stride + in_group) * task.y_stride) {}
  void next(const EpilogueTask& task) {
    residual.next();
    y += task.y_stride;
    if (++in_group == task.group) {
      in_group = 0;
      y += (task.group_stride - task.group) * task.y_stride;
    }
  }
  CyclicRow residual;
  std::int64_t in_group;
  std::byte* y;
};

/// Tables of the vectors of a panel that lie within one head each; null where nothing is rotated.
struct VectorRotation {
  const float* cos[2] = {nullptr, nullptr};
  const float* sin[2] = {nullptr, nullptr};
};

/// Whether every vector lies within one head, so that rows can be rotated in registers.
template <typename V>
inline bool rotates_whole_vectors(const RotationTask& r) {
  return 2 * r.half_width % V::kLanes == 0;
}

template <typename V>
inline VectorRotation vector_rotation(const EpilogueTask& task) {
  VectorRotation result;
  const RotationTask& r = task.rotation;
  if (r.cos == nullptr) return result;
  for (int v = 0; v < 2; ++v) {
    const std::int64_t column = task.column + v * V::kLanes;
    if (column >= r.columns) continue;
    const std::int64_t offset = head_part(r, task.column, column, 2 * V::kLanes).offset;
    result.cos[v] = r.cos + offset;
    result.sin[v] = r.sin + offset;
  }
  return result;
}

/// Vector v of row i: the sum as float32, scaled if it is an integer. Bias not yet added.
template <typename V, typename Out, bool kInt>
[[gnu::always_inline]] inline V sum_of(const EpilogueTask& task, std::int64_t i, int v) {
  const float* const at = task.sums + (2 * i + v) * V::kLanes;
  if constexpr (kInt) {
    const std::int32_t offset = task.row_sum == nullptr ? 0 : task.row_sum[i];
    return Out::from_int(at, offset) * V::set(task.row_scale[i]) *
           V::load(task.column_scale + v * V::kLanes);
  } else {
    return V::load(at);
  }
}

/// Layer scale and residual of outputs [first, first + n) of the panel.
template <typename V, typename Lanes>
[[gnu::always_inline]] inline V scaled_and_added(const EpilogueTask& task, const OutputRows& rows,
                                                 std::int64_t first, V value, Lanes n) {
  if (task.layer_scale != nullptr) value = value * V::load(task.layer_scale + first, n);
  if (task.residual != nullptr) {
    value = value + V::load(task.residual + rows.residual.at * task.residual_stride + first, n);
  }
  return value;
}

/// Stores a row of one vector.
template <typename V, typename Out, bool kBf16, typename Lanes>
[[gnu::always_inline]] inline void store_row(std::byte* y, V value, Lanes n) {
  if constexpr (kBf16) {
    Out::store_bf16(reinterpret_cast<std::uint16_t*>(y), value, n);
  } else {
    value.store(reinterpret_cast<float*>(y), n);
  }
}

/// Stores a row of two vectors; whole ones of bfloat16 in one go.
template <typename V, typename Out, bool kBf16>
[[gnu::always_inline]] inline void store_row(std::byte* y, V first, V second, simd::AllLanes n,
                                             simd::AllLanes) {
  if constexpr (kBf16) {
    Out::store_bf16_pair(reinterpret_cast<std::uint16_t*>(y), first, second);
  } else {
    first.store(reinterpret_cast<float*>(y), n);
    second.store(reinterpret_cast<float*>(y) + V::kLanes, n);
  }
}
template <typename V, typename Out, bool kBf16>
[[gnu::always_inline]] inline void store_row(std::byte* y, V first, V second, std::int64_t n0,
                                             std::int64_t n1) {
  store_row<V, Out, kBf16>(y, first, n0);
  store_row<V, Out, kBf16>(y + V::kLanes * (kBf16 ? 2 : 4), second, n1);
}

/// Bias and activation of vector v of row i.
template <typename V, typename Out, bool kInt, bool kBf16, typename Lanes>
[[gnu::always_inline]] inline V activated(const EpilogueTask& task, std::int64_t i, int v,
                                          Lanes n) {
  V value = sum_of<V, Out, kInt>(task, i, v);
  if (task.bias != nullptr) value = value + V::load(task.bias + v * V::kLanes, n);
  return task.gelu ? Out::template gelu<kBf16>(value) : value;
}

/// silu(gate) * up of row i.
template <typename V, typename Out, bool kInt, bool kBf16, typename Lanes>
[[gnu::always_inline]] inline V gated(const EpilogueTask& task, std::int64_t i, Lanes n) {
  V gate = sum_of<V, Out, kInt>(task, i, 0);
  V up = sum_of<V, Out, kInt>(task, i, 1);
  if (task.gate_bias != nullptr) gate = gate + V::load(task.gate_bias, n);
  if (task.bias != nullptr) up = up + V::load(task.bias, n);
  return Out::template silu<kBf16>(gate) * up;
}

inline void fill_pad(const EpilogueTask& task, std::byte* y) {
  const std::int64_t size = task.bf16 ? 2 : 4;
  for (std::int64_t b = task.columns * size; b < (task.columns + task.pad) * size; ++b) {
    y[b] = std::byte{0};
  }
}

template <typename V>
[[gnu::always_inline]] inline V rotated(const VectorRotation& rotation, int v, std::int64_t at,
                                        V value) {
  if (rotation.cos[v] == nullptr) return value;
  return V::rotate_pairs(value, V::load_twice(rotation.cos[v] + at, simd::AllLanes{}),
                         V::load_twice(rotation.sin[v] + at, simd::AllLanes{}));
}

/// All rows; `n0` and `n1` are the outputs of each vector (gated: of the one that is left). The
/// task is a copy because stores to the output could otherwise change it as far as the compiler
/// knows.
template <typename V, typename Out, bool kInt, bool kBf16, typename Lanes>
[[gnu::always_inline]] inline void finish_rows(const EpilogueTask task, Lanes n0, Lanes n1) {
  OutputRows rows(task);
  const VectorRotation rotation = vector_rotation<V>(task);
  CyclicRow token(task.row, task.rotation.tokens);
  for (std::int64_t i = 0; i < task.rows; ++i, rows.next(task), token.next()) {
    if (task.gated) {
      const V value = gated<V, Out, kInt, kBf16>(task, i, n0);
      store_row<V, Out, kBf16>(rows.y, scaled_and_added(task, rows, 0, value, n0), n0);
    } else {
      const std::int64_t at = token.at * task.rotation.half_width;
      V first = activated<V, Out, kInt, kBf16>(task, i, 0, n0);
      V second = activated<V, Out, kInt, kBf16>(task, i, 1, n1);
      first = scaled_and_added(task, rows, 0, rotated(rotation, 0, at, first), n0);
      second = scaled_and_added(task, rows, V::kLanes, rotated(rotation, 1, at, second), n1);
      store_row<V, Out, kBf16>(rows.y, first, second, n0, n1);
    }
    if (task.pad != 0) fill_pad(task, rows.y);
  }
}

template <typename V, typename Out, bool kInt, bool kBf16>
void finish_panel(const EpilogueTask& task) {
  const std::int64_t whole = task.gated ? V::kLanes : 2 * V::kLanes;
  if (task.columns == whole) {
    finish_rows<V, Out, kInt, kBf16>(task, simd::AllLanes{}, simd::AllLanes{});
  } else {
    finish_rows<V, Out, kInt, kBf16>(task, task.columns, task.columns - V::kLanes);
  }
}

template <typename V, typename Out, bool kInt>
void finish_panel_as(const EpilogueTask& task) {
  task.bf16 ? finish_panel<V, Out, kInt, true>(task) : finish_panel<V, Out, kInt, false>(task);
}

/// Heads of odd widths: sums with bias and activation go back in place as floats and are rotated
/// there head by head; the rest follows as if they were plain sums.
template <typename V, typename Out, bool kInt>
void rotate_first(const EpilogueTask& task) {
  for (std::int64_t i = 0; i < task.rows; ++i) {
    float* const at = task.sums + 2 * i * V::kLanes;
    const V first = activated<V, Out, kInt, false>(task, i, 0, task.columns);
    const V second = activated<V, Out, kInt, false>(task, i, 1, task.columns - V::kLanes);
    first.store(at);
    second.store(at + V::kLanes);
  }
  rotate_block<V, 2 * V::kLanes>(task);
  EpilogueTask rest = task;
  rest.bias = nullptr;
  rest.gelu = false;
  rest.rotation = {};
  finish_panel_as<V, Out, false>(rest);
}

/// The epilogue of a kernel with float32 (or int32) sums.
template <typename V, typename Out, bool kInt>
void epilogue(const EpilogueTask& task) noexcept {
  const RotationTask& r = task.rotation;
  if (r.cos != nullptr && task.column < r.columns && !rotates_whole_vectors<V>(r)) {
    rotate_first<V, Out, kInt>(task);
  } else {
    finish_panel_as<V, Out, kInt>(task);
  }
}

}  // namespace
}  // namespace conopa::kernels::detail

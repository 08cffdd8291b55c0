#pragma once

// From sums to outputs, two vectors (a panel) a row. V is a vector type of simd/ and Out adds what
// the inference kernels need:
//   V Out::from_int(const float*)                int32 sums to float
//   void Out::store_bf16(std::uint16_t*, V, lanes)
// In an unnamed namespace for the reason given in matmul_tile.h.

#include "kernels/linear_kernel.h"
#include "kernels/simd/exp.h"
#include "kernels/simd/lanes.h"

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

template <typename V>
inline V gelu_of(V x) {
  return x * simd::normal(x).below;
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

/// Layer scale, residual and store of outputs [first, first + n) of the panel.
template <typename V, typename Out, typename Lanes>
[[gnu::always_inline]] inline void finish(const EpilogueTask& task, const OutputRows& rows,
                                          std::int64_t first, V value, Lanes n) {
  if (task.layer_scale != nullptr) value = value * V::load(task.layer_scale + first, n);
  if (task.residual != nullptr) {
    value = value + V::load(task.residual + rows.residual.at * task.residual_stride + first, n);
  }
  if (task.bf16) {
    Out::store_bf16(reinterpret_cast<std::uint16_t*>(rows.y) + first, value, n);
  } else {
    value.store(reinterpret_cast<float*>(rows.y) + first, n);
  }
}

/// Bias and activation of vector v of row i.
template <typename V, typename Out, bool kInt, typename Lanes>
[[gnu::always_inline]] inline V activated(const EpilogueTask& task, std::int64_t i, int v,
                                          Lanes n) {
  V value = sum_of<V, Out, kInt>(task, i, v);
  if (task.bias != nullptr) value = value + V::load(task.bias + v * V::kLanes, n);
  return task.gelu ? gelu_of(value) : value;
}

/// silu(gate) * up of row i.
template <typename V, typename Out, bool kInt, typename Lanes>
[[gnu::always_inline]] inline V gated(const EpilogueTask& task, std::int64_t i, Lanes n) {
  V gate = sum_of<V, Out, kInt>(task, i, 0);
  V up = sum_of<V, Out, kInt>(task, i, 1);
  if (task.gate_bias != nullptr) gate = gate + V::load(task.gate_bias, n);
  if (task.bias != nullptr) up = up + V::load(task.bias, n);
  return gate * simd::sigmoid(gate) * up;
}

inline void fill_pad(const EpilogueTask& task, std::byte* y) {
  const std::int64_t size = task.bf16 ? 2 : 4;
  for (std::int64_t b = task.columns * size; b < (task.columns + task.pad) * size; ++b) {
    y[b] = std::byte{0};
  }
}

/// All rows; `n0` and `n1` are the outputs of each vector (gated: of the one that is left).
template <typename V, typename Out, bool kInt, typename Lanes>
[[gnu::always_inline]] inline void finish_rows(const EpilogueTask& task, Lanes n0, Lanes n1) {
  OutputRows rows(task);
  for (std::int64_t i = 0; i < task.rows; ++i, rows.next(task)) {
    if (task.gated) {
      finish<V, Out>(task, rows, 0, gated<V, Out, kInt>(task, i, n0), n0);
    } else {
      const V first = activated<V, Out, kInt>(task, i, 0, n0);
      const V second = activated<V, Out, kInt>(task, i, 1, n1);
      finish<V, Out>(task, rows, 0, first, n0);
      finish<V, Out>(task, rows, V::kLanes, second, n1);
    }
    if (task.pad != 0) fill_pad(task, rows.y);
  }
}

/// Float32 sums with bias and activation back in place, then rotated: the rest follows as if they
/// were plain sums.
template <typename V, typename Out, bool kInt>
void rotate_first(const EpilogueTask& task) {
  for (std::int64_t i = 0; i < task.rows; ++i) {
    float* const at = task.sums + 2 * i * V::kLanes;
    const V first = activated<V, Out, kInt>(task, i, 0, task.columns);
    const V second = activated<V, Out, kInt>(task, i, 1, task.columns - V::kLanes);
    first.store(at);
    second.store(at + V::kLanes);
  }
  rotate_block<V, 2 * V::kLanes>(task);
}

template <typename V, typename Out, bool kInt>
void finish_panel(const EpilogueTask& task) {
  const std::int64_t whole = task.gated ? V::kLanes : 2 * V::kLanes;
  if (task.columns == whole) {
    finish_rows<V, Out, kInt>(task, simd::AllLanes{}, simd::AllLanes{});
  } else {
    finish_rows<V, Out, kInt>(task, task.columns, task.columns - V::kLanes);
  }
}

/// The epilogue of a kernel with float32 (or int32) sums.
template <typename V, typename Out, bool kInt>
void epilogue(const EpilogueTask& task) noexcept {
  if (task.rotation.cos == nullptr || task.gated || task.column >= task.rotation.columns) {
    finish_panel<V, Out, kInt>(task);
    return;
  }
  rotate_first<V, Out, kInt>(task);
  EpilogueTask rest = task;
  rest.bias = nullptr;
  rest.gelu = false;
  finish_panel<V, Out, false>(rest);
}

}  // namespace
}  // namespace conopa::kernels::detail

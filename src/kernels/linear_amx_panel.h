#pragma once

// Row blocks of linear on AMX tiles. In an unnamed namespace for the reason given in matmul_tile.h.
//
// Algorithm: blocks of 32 x 32 sums in four tiles, two tiles of activations, two of weights. A step
// of 16 words (64 bytes of k) loads four tiles of 1 KiB for four products of 16 x 16 x 64 bytes:
// 64 line loads, 32 cycles on two load ports, under 64 cycles of products; a byte loaded serves 16
// (bf16) or 32 (int8) operations. The panel's k block of at most 192 words (24 KiB) stays in the
// first-level cache; activations come from the second, each line once a panel, 2 KiB in 64 cycles,
// and are called near some steps ahead because sixteen rows at a stride are no stream that the
// processor would recognise. Sums go to scratch between k blocks: 8 KiB in 768 cycles.
//
// The epilogue of the rows before runs between the steps: it needs the vector units, which idle
// while tiles multiply, and its sums are still in the first level.
//
// Rows are loaded where they lie. Tiles are always 16 rows: the last rows of a block are a copy
// padded with zeros, made once a row block by the driver.
//
// Tiles is the real thing (linear_amx.cpp) or an emulation (tests); tile numbers have to be
// constants, hence template arguments:
//   zero<t>(), load<t>(from, stride_bytes), store<t>(to, stride_bytes), multiply<sum, a, b>(),
//   prefetch(from)

#include "kernels/linear_slice.h"

namespace conopa::kernels::detail {
namespace {

constexpr std::int64_t kTileHeight = 16;
constexpr std::int64_t kTileWords = 16;  // of k: 64 bytes
constexpr std::int64_t kTilePanel = 32;
constexpr std::int64_t kStepsAhead = 3;  // of activations: 6 KiB of the first level

/// Activations of up to two tiles of rows, and those that follow.
struct TileRows {
  const Word* a;
  std::int64_t stride;  ///< words
};

inline TileRows rows_at(const LinearPanelTask& task, std::int64_t row) {
  const bool whole = row + kTileHeight <= task.product.rows || task.tail == nullptr;
  return whole ? TileRows{task.product.a + row * task.product.a_stride, task.product.a_stride}
               : TileRows{task.tail, task.tail_stride};
}

template <typename Tiles>
inline void call_rows(const TileRows& rows, std::int64_t word) {
  for (std::int64_t i = 0; i < kTileHeight; ++i) Tiles::prefetch(rows.a + i * rows.stride + word);
}

/// Epilogues of rows whose sums are complete, in slices.
class Background {
 public:
  explicit Background(const LinearPanelTask& task) : task_(task) {}

  /// Rows up to `end` are complete; about `steps` calls of step() follow.
  void add(std::int64_t end, std::int64_t steps) {
    if (task_.epilogue == nullptr) return;
    end_ = end;
    const std::int64_t slices = (end_ - next_ + kSlice - 1) / kSlice;
    interval_ = slices == 0 || steps < slices ? 1 : steps / slices;
    wait_ = interval_;
  }
  [[gnu::always_inline]] void step() {
    if (next_ < end_ && --wait_ == 0) slice();
  }
  void finish() {
    while (next_ < end_) slice();
  }

 private:
  static constexpr std::int64_t kSlice = 8;  // rows; what is set up per call has to be repaid

  [[gnu::noinline]] void slice() {
    const std::int64_t rows = end_ - next_ < kSlice ? end_ - next_ : kSlice;
    finish_slice(task_, kTilePanel, next_, rows);
    next_ += rows;
    wait_ = interval_;
  }

  const LinearPanelTask& task_;
  std::int64_t next_ = 0;
  std::int64_t end_ = 0;
  std::int64_t interval_ = 1;
  std::int64_t wait_ = 1;
};

/// The sums of kHeight (1 or 2) tiles of rows over the k block.
template <typename Tiles, int kHeight>
inline void tile_block(const LinearPanelTask& task, std::int64_t row, Background& background) {
  constexpr std::int64_t kBytes = static_cast<std::int64_t>(sizeof(Word));
  const PanelTask& p = task.product;
  const TileRows rows[2] = {rows_at(task, row), rows_at(task, row + (kHeight - 1) * kTileHeight)};
  const std::int64_t following = row + kHeight * kTileHeight;
  const TileRows next[2] = {rows_at(task, following), rows_at(task, following + kTileHeight)};
  float* const c = p.c + row * p.ldc;
  const std::int64_t c_bytes = p.ldc * kBytes;
  if (p.accumulate) {
    Tiles::template load<0>(c, c_bytes);
    Tiles::template load<1>(c + kTileWords, c_bytes);
    if constexpr (kHeight == 2) {
      Tiles::template load<2>(c + kTileHeight * p.ldc, c_bytes);
      Tiles::template load<3>(c + kTileHeight * p.ldc + kTileWords, c_bytes);
    }
  } else {
    Tiles::template zero<0>();
    Tiles::template zero<1>();
    Tiles::template zero<2>();
    Tiles::template zero<3>();
  }
  for (std::int64_t word = 0; word < p.words; word += kTileWords) {
    const std::int64_t soon = word + kStepsAhead * kTileWords;
    const bool inside = soon < p.words;
    for (int t = 0; t < kHeight; ++t) {
      call_rows<Tiles>(inside ? rows[t] : next[t], inside ? soon : soon - p.words);
    }
    Tiles::template load<6>(p.b + word * kTilePanel, kTilePanel * kBytes);
    Tiles::template load<4>(rows[0].a + word, rows[0].stride * kBytes);
    Tiles::template multiply<0, 4, 6>();
    Tiles::template load<7>(p.b + word * kTilePanel + kTileWords, kTilePanel * kBytes);
    Tiles::template multiply<1, 4, 7>();
    if constexpr (kHeight == 2) {
      Tiles::template load<5>(rows[1].a + word, rows[1].stride * kBytes);
      Tiles::template multiply<2, 5, 6>();
      Tiles::template multiply<3, 5, 7>();
    }
    background.step();
  }
  Tiles::template store<0>(c, c_bytes);
  Tiles::template store<1>(c + kTileWords, c_bytes);
  if constexpr (kHeight == 2) {
    Tiles::template store<2>(c + kTileHeight * p.ldc, c_bytes);
    Tiles::template store<3>(c + kTileHeight * p.ldc + kTileWords, c_bytes);
  }
}

/// Calls the next block of weights and this one's outputs near: those of `rows` from `row` on.
template <typename Tiles>
inline void call_memory(const LinearPanelTask& task, std::int64_t row, std::int64_t rows) {
  const PanelTask& p = task.product;
  const std::int64_t last = row + rows < p.rows ? row + rows : p.rows;
  for (std::int64_t line = p.ahead_lines * row / p.rows; line < p.ahead_lines * last / p.rows;
       ++line) {
    Tiles::prefetch_far(p.ahead + 16 * line);
  }
  if (task.output == nullptr) return;
  for (std::int64_t i = row; i < last; ++i) {
    for (std::int64_t line = 0; line < task.output_lines; ++line) {
      Tiles::prefetch_output(task.output + i * task.output_stride + 64 * line);
    }
  }
}

/// The panel function. Words must be a multiple of 16 and `c` have room for whole tiles.
template <typename Tiles>
void tile_panel(const LinearPanelTask& task) noexcept {
  const std::int64_t rows = task.product.rows;
  const std::int64_t steps = task.product.words / kTileWords;
  Background background(task);
  std::int64_t row = 0;
  for (; row + kTileHeight < rows; row += 2 * kTileHeight) {
    call_memory<Tiles>(task, row, 2 * kTileHeight);
    tile_block<Tiles, 2>(task, row, background);
    background.add(row + 2 * kTileHeight < rows ? row + 2 * kTileHeight : rows, steps);
  }
  if (row < rows) {
    call_memory<Tiles>(task, row, kTileHeight);
    tile_block<Tiles, 1>(task, row, background);
    background.add(rows, steps);
  }
  background.finish();
}

}  // namespace
}  // namespace conopa::kernels::detail

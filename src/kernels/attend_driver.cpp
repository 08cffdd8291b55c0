// Attention of inference around the register tiles of matmul or, with AMX, of linear.
//
// Algorithm. For one head of one sequence the keys are packed once as panels of a right operand
// (words along the head width) and the values likewise (words along the keys). Queries follow in
// tiles: scores = q K^T into a float32 tile in the first-level cache, softmax in place (weights as
// words of the second product), acc (+)= weights V, and at last the division by the row's sum and
// the rounding to the output's type. More keys than kBlockKeys go in blocks with running maximum
// and sum. Blocks, panels and words that a mask makes zero for a whole tile are skipped.
//
// Tiles and blocks depend on the shape only, so the result does not depend on the threads, which
// share the tiles of all heads: a head cut in two is packed twice.
//
// Measured with its rivals in docs/kernels.md.

#include <algorithm>
#include <cstddef>

#include "conopa/core/parallel.h"
#include "kernels/attend_table.h"
#include "kernels/scratch.h"

namespace conopa::kernels::detail {
namespace {

constexpr std::int64_t kBlockKeys = 640;
constexpr std::int64_t kTileFloats = 8192;  // 32 KiB of scores
// Where a mask cuts the keys row by row, a tile of few rows computes less that is thrown away.
constexpr std::int64_t kCutTileFloats = 3072;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

/// Rows to compute so that the product needs few instances: it takes what is left below a tile in
/// pieces of 8, 4, 2 and 1 rows, and a piece of few rows waits for its sums most of the time. Tiles
/// have room for the rows added, whose contents do not matter.
std::int64_t product_rows(std::int64_t rows, std::int64_t tile) {
  const std::int64_t left = rows % tile;
  if (left == 0) return rows;
  const std::int64_t done = left > 8 ? 8 : 0;
  std::int64_t piece = 1;
  while (piece < left - done) piece *= 2;
  return rows - left + std::min(done + piece, tile);
}

/// Sizes that depend on kernel and shape only.
struct Layout {
  std::int64_t panel, per_word, multiple;
  std::int64_t key_words;    ///< words of a query or key
  std::int64_t value_words;  ///< words of a column of values
  std::int64_t q_pitch, score_pitch, acc_pitch;
  std::int64_t block;      ///< keys of a block
  std::int64_t tile_rows;  ///< queries of a tile
  std::int64_t tiles;      ///< of one head

  Layout(const AttendProduct& product, const AttendArgs& args)
      : panel(product.panel), per_word(product.k_per_word), multiple(product.words_multiple) {
    key_words = words(args.head_width);
    value_words = words(args.keys);
    q_pitch = round_up(key_words, 16);
    block = round_up(ceil_div(args.keys, ceil_div(args.keys, kBlockKeys)), panel);
    score_pitch = block + 16;  // the odd line keeps rows out of each other's cache sets
    acc_pitch = round_up(args.head_width, panel);
    const std::int64_t tile = product.tile_rows;
    const std::int64_t floats = args.mask.kind == MaskKind::kNone ? kTileFloats : kCutTileFloats;
    tile_rows = std::max(tile, floats / score_pitch / tile * tile);
    tile_rows = std::min(tile_rows, round_up(args.queries, tile));
    tiles = ceil_div(args.queries, tile_rows);
  }
  /// Words of a depth of `count` elements.
  [[nodiscard]] std::int64_t words(std::int64_t count) const {
    return round_up(ceil_div(count, per_word), multiple);
  }
  [[nodiscard]] std::int64_t keys_size(std::int64_t keys) const {
    return round_up(keys, panel) * key_words;
  }
  [[nodiscard]] std::int64_t values_size() const { return acc_pitch * value_words; }
};

/// What a mask leaves of a block of keys to a tile of queries.
class TileMask {
 public:
  TileMask(const AttendArgs& args, std::int64_t sequence, std::int64_t first, std::int64_t rows)
      : kind_(args.mask.kind), keys_(args.keys), first_(first), end_(first + rows) {
    if (kind_ == MaskKind::kPrefixCausal) {
      prefix_ = args.mask.prefix[static_cast<std::size_t>(sequence)];
    }
    cut_ = kind_ == MaskKind::kSoftCausal && args.mask.alpha == 0.0F;
  }

  /// Keys in the softmax of any query of the tile.
  [[nodiscard]] std::int64_t seen() const {
    return full() || (first_open() && first_ == 0) ? keys_ : std::max(end_, prefix_);
  }
  /// Keys whose weights reach the values of any query of the tile.
  [[nodiscard]] std::int64_t weighed() const { return cut_ ? end_ : seen(); }

  /// Row by row, for the block of `count` keys from `begin` on.
  [[nodiscard]] KeyPrefix visible(std::int64_t begin, std::int64_t count) const {
    return full() ? KeyPrefix{0, count, count, false} : grown(begin, count);
  }
  [[nodiscard]] KeyPrefix whole(std::int64_t begin, std::int64_t count) const {
    return kind_ == MaskKind::kSoftCausal ? grown(begin, count) : visible(begin, count);
  }

 private:
  [[nodiscard]] bool full() const {
    return kind_ == MaskKind::kNone || kind_ == MaskKind::kSoftCausal;
  }
  [[nodiscard]] bool first_open() const { return kind_ == MaskKind::kCausalFirstOpen; }
  [[nodiscard]] KeyPrefix grown(std::int64_t begin, std::int64_t count) const {
    const std::int64_t least = std::clamp<std::int64_t>(prefix_ - begin, 0, count);
    return {first_ + 1 - begin, least, count, first_open() && first_ == 0};
  }

  MaskKind kind_;
  std::int64_t keys_, first_, end_;
  std::int64_t prefix_ = 0;
  bool cut_;  ///< weights above the diagonal are zero, though they count in the sums
};

/// One thread's work on heads, one after the other.
class HeadAttention {
 public:
  HeadAttention(const AttendChoice& choice, const AttendArgs& args, const Layout& layout)
      : fn_(*choice.kernel->fn), product_(choice.product), args_(args), layout_(layout) {
    const std::int64_t rows = layout.tile_rows;
    const std::int64_t numbers = round_up(rows, 16);
    float* next = thread_scratch(
        ScratchSlot::kLocal, layout.keys_size(args.keys) + layout.values_size() +
                                 rows * (layout.q_pitch + layout.score_pitch + layout.acc_pitch) +
                                 2 * numbers);
    const auto take = [&next](std::int64_t floats) {
      float* const part = next;
      next += floats;
      return part;
    };
    keys_ = take(layout.keys_size(args.keys));
    values_ = take(layout.values_size());
    q_ = take(rows * layout.q_pitch);
    scores_ = take(rows * layout.score_pitch);
    acc_ = take(rows * layout.acc_pitch);
    top_ = take(numbers);
    sum_ = take(numbers);
    ahead_.q_step = 1;
    ahead_.k_step = ceil_div(args.keys, args.queries);
    ahead_.bytes = args.head_width * act_size(args.q.type);
    if (product_.begin != nullptr) product_.begin();
  }
  ~HeadAttention() {
    if (product_.end != nullptr) product_.end();
  }
  HeadAttention(const HeadAttention&) = delete;
  HeadAttention& operator=(const HeadAttention&) = delete;

  /// Packs keys and values of head `index` of all sequences' heads.
  void begin_head(std::int64_t index) {
    head_ = index;
    ahead_.q.count = ahead_.k.count = ahead_.v.count = 0;
    fn_.pack_keys({key_rows(args_.k, index), keys_, layout_.key_words, layout_.panel});
    fn_.pack_values({key_rows(args_.v, index), values_, layout_.value_words, layout_.panel});
  }
  /// Calls the rows of a head into the cache while the tiles of the present one run.
  void prefetch(std::int64_t index) {
    ahead_.q = query_rows(args_.q, index, 0, args_.queries);
    ahead_.k = key_rows(args_.k, index);
    ahead_.v = key_rows(args_.v, index);
  }

  /// The queries of one tile.
  void run_tile(std::int64_t tile) {
    const std::int64_t first = tile * layout_.tile_rows;
    const std::int64_t rows = std::min(layout_.tile_rows, args_.queries - first);
    fn_.pack_queries(
        {query_rows(args_.q, head_, first, rows), q_, layout_.key_words, layout_.q_pitch});
    ahead_.query = first;
    ahead_.out = query_rows(args_.out, head_, first, rows);
    const TileMask mask(args_, head_ / args_.heads, first, rows);
    for (std::int64_t block = 0; block < mask.seen(); block += layout_.block) {
      run_block(mask, rows, block);
    }
    const std::int64_t used = args_.heads * args_.head_width;
    const bool last = head_ % args_.heads == args_.heads - 1;
    fn_.finish({.acc = acc_,
                .acc_pitch = layout_.acc_pitch,
                .sum = sum_,
                .rows = ahead_.out,
                .pad = last ? act_padded(args_.out.type, used) - used : 0});
  }

 private:
  [[nodiscard]] HeadRows query_rows(const ConstAct& rows, std::int64_t head, std::int64_t first,
                                    std::int64_t count) const {
    return head_rows(rows, args_.q_rows, head, head / args_.heads * args_.queries + first, count);
  }
  [[nodiscard]] HeadRows key_rows(const ConstAct& rows, std::int64_t head) const {
    return head_rows(rows, args_.k_rows, head, head / args_.heads * args_.keys, args_.keys);
  }
  [[nodiscard]] HeadRows head_rows(const ConstAct& rows, const std::int32_t* index,
                                   std::int64_t head, std::int64_t first,
                                   std::int64_t count) const {
    const std::int64_t offset = head % args_.heads * args_.head_width * act_size(rows.type);
    return {.data = static_cast<const std::byte*>(rows.data) + offset,
            .stride = rows.stride,
            .index = index == nullptr ? nullptr : index + first,
            .first = first,
            .count = count,
            .width = args_.head_width};
  }

  void run_block(const TileMask& mask, std::int64_t rows, std::int64_t block) {
    const std::int64_t count = std::min(layout_.block, args_.keys - block);
    const std::int64_t seen = std::min(mask.seen() - block, count);
    const std::int64_t weighed = std::clamp<std::int64_t>(mask.weighed() - block, 0, count);
    const std::int64_t words = layout_.words(weighed);
    multiply({.a = q_, .pitch = layout_.q_pitch, .words = layout_.key_words, .rows = rows},
             keys_ + block * layout_.key_words, layout_.key_words, seen,
             {scores_, layout_.score_pitch, false});
    constexpr float kLog2E = 1.44269504F;
    fn_.softmax({.scores = scores_,
                 .pitch = layout_.score_pitch,
                 .rows = rows,
                 .scale = args_.scale * kLog2E,
                 .visible = mask.visible(block, count),
                 .whole = mask.whole(block, count),
                 .alpha = args_.mask.alpha,
                 .keys = words * layout_.per_word,
                 .first = block == 0,
                 .top = top_,
                 .sum = sum_,
                 .acc = acc_,
                 .acc_pitch = layout_.acc_pitch,
                 .ahead = block == 0 ? &ahead_ : nullptr});
    if (words == 0) return;
    multiply({.a = scores_, .pitch = layout_.score_pitch, .words = words, .rows = rows},
             values_ + block / layout_.per_word * layout_.panel, layout_.value_words,
             args_.head_width, {acc_, layout_.acc_pitch, block > 0});
  }

  struct Left {
    const Word* a;
    std::int64_t pitch, words, rows;
  };
  struct Result {
    float* c;
    std::int64_t pitch;
    bool accumulate;
  };

  /// c[rows, columns] (+)= a b, b in panels `panel_words` apart. Columns are computed up to half a
  /// panel, the least that the tiles write without masks.
  void multiply(const Left& left, const Word* b, std::int64_t panel_words, std::int64_t columns,
                const Result& result) const {
    const std::int64_t panel = layout_.panel;
    const bool whole = product_.whole_tiles;
    const std::int64_t rows = whole ? left.rows : product_rows(left.rows, product_.tile_rows);
    for (std::int64_t column = 0; column < columns; column += panel) {
      product_.multiply({.a = left.a,
                         .a_stride = left.pitch,
                         .a_layout = ALayout::kRows,
                         .b = b + column * panel_words,
                         .words = left.words,
                         .c = result.c + column,
                         .ldc = result.pitch,
                         .rows = rows,
                         .cols = whole || 2 * (columns - column) > panel ? panel : panel / 2,
                         .accumulate = result.accumulate,
                         .bias = nullptr,
                         .residual = nullptr,
                         .ld_residual = 0,
                         .ahead = nullptr,
                         .ahead_lines = 0});
    }
  }

  const AttendFunctions& fn_;
  const AttendProduct& product_;
  const AttendArgs& args_;
  const Layout& layout_;
  std::int64_t head_ = 0;  ///< sequence * heads + head
  HeadAhead ahead_{};
  Word* keys_;
  Word* values_;
  Word* q_;
  float* scores_;
  float* acc_;
  float* top_;
  float* sum_;
};

}  // namespace

void run_attend(const AttendChoice& choice, const AttendArgs& args) {
  const Layout layout(choice.product, args);
  const std::int64_t tiles = args.sequences * args.heads * layout.tiles;
  parallel_for(0, tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    HeadAttention attention(choice, args, layout);
    const std::int64_t last_head = (end - 1) / layout.tiles;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t head = i / layout.tiles;
      if (i == begin || i % layout.tiles == 0) {
        attention.begin_head(head);
        if (head < last_head) attention.prefetch(head + 1);
      }
      attention.run_tile(i % layout.tiles);
    }
  });
}

}  // namespace conopa::kernels::detail

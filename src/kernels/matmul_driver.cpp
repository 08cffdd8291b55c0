// Blocks of a matrix product around the register-tile kernels.
//
// c is computed in row blocks; within one, k block by k block, panel by panel of b. The panel
// (block_words x panel words, 32 KiB with AVX-512) stays in the first-level cache while the rows
// of the block stream past it. Rows of a that lie well are read in place: for the small K of this
// project (64..256) copying them would cost as much as multiplying by one panel.

#include "kernels/matmul_driver.h"

#include <algorithm>

#include "conopa/core/parallel.h"

namespace conopa::kernels::detail {
namespace {

// Rows of a block: enough to make the panel's trip to L1 pay, few enough to leave L2 room. Where
// the rows have to be gathered from a k-major matrix, wide blocks let the reads run along its
// lines.
constexpr std::int64_t kBlockRows = 112;
constexpr std::int64_t kBlockRowsGathered = 336;
// Columns after which a row block starts anew, so that its part of c stays in L2 between k blocks.
constexpr std::int64_t kBlockColumns = 512;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// A box of the product: rows, panels and words [begin, end).
struct Box {
  std::int64_t row_begin, row_end;
  std::int64_t panel_begin, panel_end;
  std::int64_t word_begin, word_end;
};

/// A block of the left operand ready for the kernel.
struct ABlock {
  const Word* data;
  std::int64_t stride;
  ALayout layout;
};

constexpr std::int64_t kMostLinesAhead = 4096;  // 256 KiB

/// Memory worth calling into the second-level cache, in cache lines.
struct Ahead {
  const float* from = nullptr;
  std::int64_t lines = 0;
};

class Product {
 public:
  Product(const MatmulKernel& kernel, const MatmulArgs& args)
      : kernel_(kernel), args_(args), blocks_(kernel, args.K) {}

  /// Rows and panels of `box` over all of k, from b packed whole.
  void run_packed(const Box& box, const Word* packed) const {
    const std::int64_t step = std::max<std::int64_t>(1, kBlockColumns / kernel_.panel);
    for (std::int64_t p = box.panel_begin; p < box.panel_end; p += step) {
      const std::int64_t panel_end = std::min(p + step, box.panel_end);
      for (std::int64_t row = box.row_begin; row < box.row_end; row += block_rows()) {
        const std::int64_t row_end = std::min(row + block_rows(), box.row_end);
        const std::int64_t next = std::min(row_end + block_rows(), box.row_end);
        run_row_block({row, row_end, p, panel_end, 0, blocks_.words}, packed,
                      lines_of_a(row_end, next, 0, blocks_.words));
      }
    }
  }

  /// Rows and words of `box`, all panels, packing b block by block.
  void run_deep(const Box& box) const {
    Word* packed = matmul_scratch().block_b.reserve(blocks_.block * panels() * kernel_.panel);
    for (std::int64_t word = box.word_begin; word < box.word_end; word += blocks_.block) {
      const std::int64_t word_end = std::min(word + blocks_.block, box.word_end);
      const std::int64_t words = word_end - word;
      for (std::int64_t p = 0; p < panels(); ++p) {
        pack_panel(kernel_, right(), p, word, words, packed + p * words * kernel_.panel);
      }
      for (std::int64_t row = box.row_begin; row < box.row_end; row += block_rows()) {
        const std::int64_t row_end = std::min(row + block_rows(), box.row_end);
        const ABlock a = left_block(row, row_end - row, word, words);
        const bool last = row_end == box.row_end;
        const Ahead ahead =
            last ? next_depth_block(box, word_end, std::min(word_end + blocks_.block, box.word_end))
                 : Ahead{};
        run_panels(a, {row, row_end, 0, panels(), word, word_end}, packed, word > box.word_begin,
                   ahead);
      }
    }
  }

  [[nodiscard]] const KBlocks& blocks() const noexcept { return blocks_; }
  [[nodiscard]] std::int64_t panels() const noexcept { return ceil_div(args_.N, kernel_.panel); }

  static void pack_panel(const MatmulKernel& kernel, const PackArgs& b, std::int64_t panel,
                         std::int64_t word, std::int64_t words, Word* dst) {
    const std::int64_t column = panel * kernel.panel;
    const std::int64_t k = word * kernel.k_per_word;
    const bool k_contiguous = b.layout_b == Layout::kTransposed;
    kernel.fn->pack_b({.src = k_contiguous ? b.b + column * b.ldb + k : b.b + k * b.ldb + column,
                       .ld = b.ldb,
                       .k_contiguous = k_contiguous,
                       .count = std::min(kernel.panel, b.N - column),
                       .k = std::min(words * kernel.k_per_word, b.K - k),
                       .words = words,
                       .dst = dst,
                       .stride = 0});
  }

 private:
  [[nodiscard]] std::int64_t block_rows() const noexcept {
    const std::int64_t most = args_.layout_a == Layout::kAsStored ? kBlockRows : kBlockRowsGathered;
    const std::int64_t even = ceil_div(args_.M, ceil_div(args_.M, most));
    return ceil_div(even, kernel_.tile_rows) * kernel_.tile_rows;
  }

  [[nodiscard]] PackArgs right() const {
    return {.N = args_.N,
            .K = args_.K,
            .b = args_.b,
            .ldb = args_.ldb,
            .layout_b = args_.layout_b,
            .compute = args_.compute};
  }

  // At least one round, so that a product of zero depth still writes c.
  void run_row_block(const Box& box, const Word* packed, const Ahead& ahead) const {
    std::int64_t word = 0;
    do {
      const std::int64_t word_end = std::min(word + blocks_.block, blocks_.words);
      const std::int64_t words = word_end - word;
      const Word* b = packed + (word * panels() + box.panel_begin * words) * kernel_.panel;
      const ABlock a = left_block(box.row_begin, box.row_end - box.row_begin, word, words);
      run_panels(a, {box.row_begin, box.row_end, box.panel_begin, box.panel_end, word, word_end}, b,
                 word > 0, word == 0 ? ahead : Ahead{});
      word = word_end;
    } while (word < blocks_.words);
  }

  // Where the larger operand of the next block of a deep product lies.
  [[nodiscard]] Ahead next_depth_block(const Box& box, std::int64_t word,
                                       std::int64_t word_end) const {
    if (args_.layout_b != Layout::kAsStored || args_.M >= args_.N) {
      return lines_of_a(box.row_begin, box.row_end, word, word_end);
    }
    if (word >= word_end || 2 * args_.N < args_.ldb) return {};
    const std::int64_t count = (word_end - word) * kernel_.k_per_word - 1;
    return {args_.b + word * kernel_.k_per_word * args_.ldb, count * args_.ldb / 16};
  }

  // The memory of a part of a, if that part is most of the memory between its ends.
  [[nodiscard]] Ahead lines_of_a(std::int64_t row, std::int64_t row_end, std::int64_t word,
                                 std::int64_t word_end) const {
    if (row >= row_end || word >= word_end) return {};
    const std::int64_t k = word * kernel_.k_per_word;
    const std::int64_t k_end = std::min(word_end * kernel_.k_per_word, args_.K);
    const bool by_rows = args_.layout_a == Layout::kAsStored;
    const std::int64_t count = by_rows ? row_end - row : k_end - k;
    const std::int64_t length = by_rows ? k_end - k : row_end - row;
    if (2 * length < args_.lda) return {};
    const float* from = by_rows ? args_.a + row * args_.lda + k : args_.a + k * args_.lda + row;
    const std::int64_t lines = ((count - 1) * args_.lda + length) / 16;
    if (by_rows && lines > kMostLinesAhead) return {};
    return {from, lines};
  }

  [[nodiscard]] ABlock left_block(std::int64_t row, std::int64_t rows, std::int64_t word,
                                  std::int64_t words) const {
    const bool k_contiguous = args_.layout_a == Layout::kAsStored;
    const std::int64_t k = word * kernel_.k_per_word;
    const float* src = k_contiguous ? args_.a + row * args_.lda + k : args_.a + k * args_.lda + row;
    // Rows a multiple of 4 KiB apart fall into the same cache set: copy those.
    if (k_contiguous && kernel_.reads_rows_in_place && args_.lda % 1024 != 0) {
      return {src, args_.lda, ALayout::kRows};
    }
    // The odd cache line keeps rows or tiles, written in turn, out of each other's cache sets.
    const std::int64_t stride =
        k_contiguous ? ceil_div(words, 32) * 32 + 16 : kernel_.tile_pitch * words + 16;
    const std::int64_t lines = k_contiguous ? rows : ceil_div(rows, kernel_.tile_rows);
    Word* dst = matmul_scratch().block_a.reserve(lines * stride);
    kernel_.fn->pack_a({.src = src,
                        .ld = args_.lda,
                        .k_contiguous = k_contiguous,
                        .count = rows,
                        .k = std::min(words * kernel_.k_per_word, args_.K - k),
                        .words = words,
                        .dst = dst,
                        .stride = stride});
    return {dst, stride, k_contiguous ? ALayout::kRows : ALayout::kTiles};
  }

  void run_panels(const ABlock& a, const Box& box, const Word* b, bool accumulate,
                  const Ahead& ahead) const {
    const std::int64_t words = box.word_end - box.word_begin;
    const std::int64_t count = box.panel_end - box.panel_begin;
    for (std::int64_t p = box.panel_begin; p < box.panel_end; ++p) {
      const std::int64_t column = p * kernel_.panel;
      const std::int64_t lines_before = ahead.lines * (p - box.panel_begin) / count;
      const std::int64_t lines_after = ahead.lines * (p + 1 - box.panel_begin) / count;
      const float* bias = accumulate ? nullptr : args_.bias;
      const float* residual = accumulate ? nullptr : args_.residual;
      kernel_.fn->panel({.a = a.data,
                         .a_stride = a.stride,
                         .a_layout = a.layout,
                         .b = b + (p - box.panel_begin) * words * kernel_.panel,
                         .words = words,
                         .c = args_.c + box.row_begin * args_.ldc + column,
                         .ldc = args_.ldc,
                         .rows = box.row_end - box.row_begin,
                         .cols = std::min(kernel_.panel, args_.N - column),
                         .accumulate = accumulate || args_.beta != 0.0F,
                         .bias = bias == nullptr ? nullptr : bias + column,
                         .residual = residual == nullptr
                                         ? nullptr
                                         : residual + box.row_begin * args_.ld_residual + column,
                         .ld_residual = args_.ld_residual,
                         .ahead = ahead.from == nullptr ? nullptr : ahead.from + 16 * lines_before,
                         .ahead_lines = lines_after - lines_before});
    }
  }

  const MatmulKernel& kernel_;
  MatmulArgs args_;
  KBlocks blocks_;
};

// Splits k over threads. Part 0 writes c with everything that is added to it, the others write
// partial sums, which are then added in order.
void run_depth(const MatmulKernel& kernel, const MatmulArgs& args, const MatmulPlan& plan) {
  const std::int64_t size = args.M * args.N;
  float* partial = matmul_scratch().partial.reserve((plan.depth_parts - 1) * size);
  const std::int64_t words = KBlocks(kernel, args.K).words;
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t depth = task % plan.depth_parts;
      const std::int64_t rows = task / plan.depth_parts;
      MatmulArgs own = args;
      if (depth > 0) {
        own.c = partial + (depth - 1) * size;
        own.ldc = args.N;
        own.beta = 0.0F;
        own.bias = own.residual = nullptr;
      }
      Product(kernel, own)
          .run_deep({.row_begin = args.M * rows / plan.row_parts,
                     .row_end = args.M * (rows + 1) / plan.row_parts,
                     .panel_begin = 0,
                     .panel_end = 0,
                     .word_begin = words * depth / plan.depth_parts,
                     .word_end = words * (depth + 1) / plan.depth_parts});
    }
  };
  parallel_for(0, plan.depth_parts * plan.row_parts, 1, part);
  if (plan.depth_parts == 1) return;
  const auto join = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float* c = args.c + i * args.ldc;
      for (std::int64_t d = 0; d + 1 < plan.depth_parts; ++d) {
        const float* from = partial + d * size + i * args.N;
        for (std::int64_t j = 0; j < args.N; ++j) c[j] += from[j];
      }
    }
  };
  parallel_for(0, args.M, 1 + 65536 / args.N, join);
}

}  // namespace

std::int64_t packed_words(const MatmulKernel& kernel, std::int64_t n, std::int64_t k) {
  return KBlocks(kernel, k).words * ceil_div(n, kernel.panel) * kernel.panel;
}

void pack_matrix(const MatmulKernel& kernel, const PackArgs& args, Word* dst) {
  const KBlocks blocks(kernel, args.K);
  const std::int64_t panels = ceil_div(args.N, kernel.panel);
  const std::int64_t grain = 1 + 16384 / (1 + args.K * kernel.panel);
  parallel_for(0, panels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t word = 0; word < blocks.words; word += blocks.block) {
      const std::int64_t words = std::min(blocks.block, blocks.words - word);
      for (std::int64_t p = begin; p < end; ++p) {
        Product::pack_panel(kernel, args, p, word, words,
                            dst + (word * panels + p * words) * kernel.panel);
      }
    }
  });
}

void run_matmul(const MatmulKernel& kernel, const MatmulArgs& args, const Word* packed) {
  const MatmulPlan plan = plan_matmul(kernel, args);
  if (plan.split == MatmulPlan::Split::kDepth) {
    run_depth(kernel, args, plan);
    return;
  }
  if (packed == nullptr) {
    Word* own = matmul_scratch().shared_b.reserve(packed_words(kernel, args.N, args.K));
    pack_matrix(kernel,
                {.N = args.N,
                 .K = args.K,
                 .b = args.b,
                 .ldb = args.ldb,
                 .layout_b = args.layout_b,
                 .compute = args.compute},
                own);
    packed = own;
  }
  const Product product(kernel, args);
  const bool by_rows = plan.split == MatmulPlan::Split::kRows;
  const std::int64_t count = by_rows ? ceil_div(args.M, kernel.tile_rows) : product.panels();
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    if (by_rows) {
      product.run_packed({begin * kernel.tile_rows, std::min(end * kernel.tile_rows, args.M), 0,
                          product.panels(), 0, 0},
                         packed);
    } else {
      product.run_packed({0, args.M, begin, end, 0, 0}, packed);
    }
  };
  parallel_for(0, count, std::max<std::int64_t>(1, count / plan.threads), part);
}

}  // namespace conopa::kernels::detail

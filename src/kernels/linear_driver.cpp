// Blocks of linear around the register-tile kernels.
//
// A part's rows are taken in blocks whose activations stay in the second-level cache. For each
// panel of weights the sums of the block gather in scratch, k block by k block: the panel's block
// (24 to 32 KiB) stays in the first-level cache while the rows stream past it. The epilogue then
// turns the scratch, still in the cache, into outputs. Activations are read in place: they are rows
// of the kernel's words. Only rows a multiple of 2 KiB apart, which share few cache sets, and types
// that the processor cannot multiply are copied once a block.

#include "kernels/linear_driver.h"

#include <algorithm>
#include <cstring>

#include "conopa/core/parallel.h"

namespace conopa::kernels::detail {
namespace {

/// Scratch of one thread, kept from call to call.
struct LinearScratch {
  WordBuffer sums;
  WordBuffer rows;
  WordBuffer panel;
  WordBuffer row_sums;
};

LinearScratch& linear_scratch() {
  thread_local LinearScratch scratch;
  return scratch;
}

constexpr std::int64_t kAliasBytes = 2048;
constexpr std::int64_t kOddLine = 16;  // words: keeps copied rows out of each other's cache sets

/// Rows of words as the kernel reads them, and their sums where it needs them.
struct WordRows {
  const Word* data;
  std::int64_t stride;
  const std::int32_t* sums;
  const Word* tail = nullptr;
  std::int64_t tail_stride = 0;
};

/// What a kernel sets up in the processor, while a thread works.
class KernelState {
 public:
  explicit KernelState(const LinearFunctions& fn) : fn_(fn) {
    if (fn_.begin != nullptr) fn_.begin();
  }
  ~KernelState() {
    if (fn_.end != nullptr) fn_.end();
  }
  KernelState(const KernelState&) = delete;
  KernelState& operator=(const KernelState&) = delete;

 private:
  const LinearFunctions& fn_;
};

/// One thread's rows and panels.
class LinearPart {
 public:
  LinearPart(const LinearKernel& kernel, const PackedPanels& weight, const LinearArgs& args,
             const LinearPlan& plan)
      : kernel_(kernel),
        weight_(weight),
        args_(args),
        plan_(plan),
        outputs_(panel_outputs(kernel, args.weight->gated())),
        sums_(linear_scratch().sums.reserve((plan.block_rows + kernel.row_group) * kernel.panel)) {}

  void run(std::int64_t row_begin, std::int64_t row_end, std::int64_t panel_begin,
           std::int64_t panel_end) const {
    for (std::int64_t row = row_begin; row < row_end; row += plan_.block_rows) {
      const std::int64_t rows = std::min(plan_.block_rows, row_end - row);
      const WordRows a = word_rows(row, rows);
      EpilogueTask task = epilogue_of(row, rows);
      task.row_sum = a.sums;
      for (std::int64_t p = panel_begin; p < panel_end; ++p) {
        set_panel(task, p);
        multiply(a, task, p, p + 1 < panel_end ? p + 1 : panel_begin);
      }
    }
  }

 private:
  [[nodiscard]] WordRows word_rows(std::int64_t row, std::int64_t rows) const {
    const std::int64_t stride = args_.x.stride * act_size(args_.x.type);
    RowsTask task{.src = static_cast<const std::byte*>(args_.x.data) + row * stride,
                  .stride = stride,
                  .rows = rows,
                  .words = weight_.k_words,
                  .dst = nullptr,
                  .dst_stride = (weight_.k_words + 31) / 32 * 32 + kOddLine,
                  .sums = nullptr};
    if (kernel_.fn->sum_rows != nullptr) {
      task.sums = reinterpret_cast<std::int32_t*>(linear_scratch().row_sums.reserve(rows));
      kernel_.fn->sum_rows(task);
    }
    const bool expand = kernel_.fn->expand_rows != nullptr;
    const bool copy = expand || stride % kAliasBytes == 0;
    WordRows words{
        .data = reinterpret_cast<const Word*>(task.src), .stride = stride / 4, .sums = task.sums};
    const std::int64_t tail_rows = rows % kernel_.row_group;
    const std::int64_t groups = copy ? (rows + kernel_.row_group - 1) / kernel_.row_group : 1;
    if (copy || tail_rows != 0) {
      task.dst = linear_scratch().rows.reserve(groups * kernel_.row_group * task.dst_stride);
    }
    if (copy) {
      expand ? kernel_.fn->expand_rows(task) : copy_rows(task);
      words.data = task.dst;
      words.stride = task.dst_stride;
    }
    if (tail_rows != 0) {
      task.dst += (groups - 1) * kernel_.row_group * task.dst_stride;
      task.src += (rows - tail_rows) * stride;
      task.rows = tail_rows;
      pad_tail(task);
      words.tail = task.dst;
      words.tail_stride = task.dst_stride;
    }
    return words;
  }

  void copy_rows(const RowsTask& task) const {
    for (std::int64_t i = 0; i < task.rows; ++i) {
      std::memcpy(task.dst + i * task.dst_stride, task.src + i * task.stride,
                  static_cast<std::size_t>(4 * task.words));
    }
  }

  /// The last rows and zero rows behind them up to a whole group.
  void pad_tail(const RowsTask& task) const {
    copy_rows(task);
    for (std::int64_t i = task.rows; i < kernel_.row_group; ++i) {
      std::memset(static_cast<void*>(task.dst + i * task.dst_stride), 0,
                  static_cast<std::size_t>(4 * task.words));
    }
  }

  /// Words [word, word + words) of a panel.
  [[nodiscard]] const Word* panel_words(std::int64_t panel, std::int64_t word,
                                        std::int64_t words) const {
    const Word* data = weight_.data.data() + panel * weight_.panel_words;
    if (!weight_.blocks) return data + word * kernel_.panel;
    const std::int64_t epw = elements_per_word(kernel_.word);
    const std::int64_t size = panel_block_bytes(weight_.four_bit, kernel_.panel);
    Word* dst = linear_scratch().panel.reserve(plan_.block_words * kernel_.panel);
    kernel_.fn->expand_blocks(
        {.src = reinterpret_cast<const std::byte*>(data) + word * epw / 32 * size,
         .blocks = words * epw / 32,
         .four_bit = weight_.four_bit,
         .dst = dst});
    return dst;
  }

  void multiply(const WordRows& a, const EpilogueTask& epilogue, std::int64_t panel,
                std::int64_t next_panel) const {
    for (std::int64_t word = 0; word < weight_.k_words; word += plan_.block_words) {
      const std::int64_t words = std::min(plan_.block_words, weight_.k_words - word);
      const Word* b = panel_words(panel, word, words);
      const bool last = word + words == weight_.k_words;
      const std::int64_t ahead_words = words * weight_.panel_words / weight_.k_words;
      const Word* ahead = weight_.data.data() + (last ? next_panel : panel) * weight_.panel_words +
                          (last ? 0 : (word + words) * weight_.panel_words / weight_.k_words);
      const bool near = last && args_.group == 0;
      kernel_.fn->panel({.product = {.a = a.data + word,
                                     .a_stride = a.stride,
                                     .a_layout = ALayout::kRows,
                                     .b = b,
                                     .words = words,
                                     .c = sums_,
                                     .ldc = kernel_.panel,
                                     .rows = epilogue.rows,
                                     .cols = kernel_.panel,
                                     .accumulate = word != 0,
                                     .bias = nullptr,
                                     .residual = nullptr,
                                     .ld_residual = 0,
                                     .ahead = ahead,
                                     .ahead_lines = ahead_words / 16},
                         .output = near ? output_of(epilogue.row, panel) : nullptr,
                         .output_stride = args_.y.stride * act_size(args_.y.type),
                         .output_lines = (outputs_ * act_size(args_.y.type) + 63) / 64,
                         .tail = a.tail == nullptr ? nullptr : a.tail + word,
                         .tail_stride = a.tail_stride,
                         .epilogue = last ? &epilogue : nullptr,
                         .finish = kernel_.fn->epilogue});
    }
  }

  [[nodiscard]] const std::byte* output_of(std::int64_t row, std::int64_t panel) const {
    return static_cast<const std::byte*>(args_.y.data) +
           (row * args_.y.stride + panel * outputs_) * act_size(args_.y.type);
  }

  [[nodiscard]] EpilogueTask epilogue_of(std::int64_t row, std::int64_t rows) const {
    const Epilogue& e = args_.epilogue;
    const std::int64_t y_stride = args_.y.stride * act_size(args_.y.type);
    return {.sums = sums_,
            .rows = rows,
            .row = row,
            .column = 0,
            .columns = 0,
            .pad = 0,
            .row_scale = args_.x.scale == nullptr ? nullptr : args_.x.scale + row,
            .row_sum = nullptr,
            .column_scale = nullptr,
            .gated = args_.weight->gated(),
            .gelu = e.activation == Activation::kGelu,
            .bias = nullptr,
            .gate_bias = nullptr,
            .rotation = {.cos = e.rope.cos,
                         .sin = e.rope.sin,
                         .tokens = e.rope.tokens,
                         .half_width = e.rope.head_width / 2,
                         .head_stride = e.rope.head_stride,
                         .heads = e.rope.heads,
                         .columns = e.rope.columns},
            .layer_scale = nullptr,
            .residual = nullptr,
            .residual_stride = e.residual_stride,
            .residual_rows = e.residual_rows == 0 ? args_.M : e.residual_rows,
            .y = nullptr,
            .y_stride = y_stride,
            .bf16 = args_.y.type == ActType::kBf16,
            .group = args_.group == 0 ? args_.M : args_.group,
            .group_stride = args_.group_stride};
  }

  void set_panel(EpilogueTask& task, std::int64_t panel) const {
    const Epilogue& e = args_.epilogue;
    const std::int64_t n = args_.weight->outputs();
    const std::int64_t column = panel * outputs_;
    const auto shifted = [column](const float* p) { return p == nullptr ? nullptr : p + column; };
    task.column = column;
    task.columns = std::min(outputs_, n - column);
    task.pad = column + outputs_ < n ? 0 : act_padded(args_.y.type, n) - n;
    task.column_scale = weight_.column_scale.data() == nullptr
                            ? nullptr
                            : weight_.column_scale.data() + panel * kernel_.panel;
    task.bias = shifted(e.bias);
    task.gate_bias = shifted(e.gate_bias);
    task.layer_scale = shifted(e.layer_scale);
    task.residual = shifted(e.residual);
    task.y = static_cast<std::byte*>(args_.y.data) + column * act_size(args_.y.type);
  }

  const LinearKernel& kernel_;
  const PackedPanels& weight_;
  const LinearArgs& args_;
  const LinearPlan& plan_;
  std::int64_t outputs_;  // of a panel
  float* sums_;
};

}  // namespace

void run_linear(const LinearKernel& kernel, const PackedPanels& weight, const LinearArgs& args) {
  const LinearPlan plan = plan_linear(kernel, weight, args.M, num_threads());
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    const LinearPart part(kernel, weight, args, plan);
    const KernelState state(*kernel.fn);
    for (; begin < end; ++begin) {
      const std::int64_t row = begin / plan.panel_parts;
      const std::int64_t panel = begin % plan.panel_parts;
      part.run(args.M * row / plan.row_parts, args.M * (row + 1) / plan.row_parts,
               weight.panels * panel / plan.panel_parts,
               weight.panels * (panel + 1) / plan.panel_parts);
    }
  };
  parallel_for(0, plan.row_parts * plan.panel_parts, 1, run);
}

}  // namespace conopa::kernels::detail

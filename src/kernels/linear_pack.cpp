#include "kernels/linear_pack.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "conopa/core/parallel.h"
#include "kernels/linear_source.h"

namespace conopa::kernels::detail {
namespace {

constexpr std::int64_t kTransposedWords = 16;  // words of a column written between two columns

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The stored row behind a column of a panel; no view beyond N.
struct Source {
  const WeightView* view = nullptr;
  std::int64_t row = 0;
};

Source source_of(const LinearKernel& kernel, const WeightPack& args, std::int64_t panel,
                 std::int64_t column) {
  const bool gated = !args.gate.empty();
  const std::int64_t outputs = panel_outputs(kernel, gated);
  const std::int64_t row = panel * outputs + column % outputs;
  if (row >= args.N) return {};
  return {gated && column < outputs ? &args.gate : &args.weight, row};
}

/// Packs the panels of one thread.
class WordPacker {
 public:
  WordPacker(const LinearKernel& kernel, const WeightPack& args, PackedPanels& packed)
      : kernel_(kernel),
        args_(args),
        packed_(packed),
        values_(static_cast<std::size_t>(args.K)),
        quantized_(args.compute == ActType::kI8 ? values_.size() : 0),
        columns_(static_cast<std::size_t>(packed.k_words * kernel.panel)) {}

  void pack(std::int64_t panel, Word* dst, float* scale) {
    for (std::int64_t c = 0; c < kernel_.panel; ++c) {
      const Source source = source_of(kernel_, args_, panel, c);
      std::uint32_t* column = columns_.data() + c * packed_.k_words;
      const std::uint32_t zero = kernel_.word == WordKind::kU8 ? 0x80808080U : 0U;
      std::fill_n(column, packed_.k_words, zero);
      if (scale != nullptr) scale[c] = 0.0F;
      if (source.view == nullptr) continue;
      if (scale != nullptr) {
        scale[c] = quantize_weight_row(*source.view, source.row, values_, quantized_);
        write_integers(column);
      } else {
        write_floats(source, column);
      }
    }
    transpose(dst);
  }

 private:
  void write_integers(std::uint32_t* column) const {
    if (kernel_.word == WordKind::kI16) {
      auto* to = reinterpret_cast<std::byte*>(column);
      for (const std::int16_t value : quantized_) {
        std::memcpy(to, &value, sizeof value);
        to += sizeof value;
      }
      return;
    }
    std::memcpy(column, quantized_.data(), quantized_.size());
    if (kernel_.word != WordKind::kU8) return;
    // Adding 128 to an int8 flips its sign bit; the fill behind K is 128 already.
    auto* bytes = reinterpret_cast<std::byte*>(column);
    for (std::size_t i = 0; i < quantized_.size(); ++i) bytes[i] ^= std::byte{0x80};
  }

  void write_floats(const Source& source, std::uint32_t* column) {
    const bool pairs = kernel_.word == WordKind::kBf16;
    if (pairs && source.view->form == WeightForm::kBf16) {
      const std::size_t bytes = 2 * values_.size();
      std::memcpy(column,
                  static_cast<const std::byte*>(source.view->data) +
                      source.row * static_cast<std::int64_t>(bytes),
                  bytes);
      return;
    }
    read_weight_row(*source.view, source.row, values_);
    if (!pairs) {
      if (kernel_.word == WordKind::kBf16AsF32) round_to_bf16(values_);
      std::memcpy(column, values_.data(), 4 * values_.size());
      return;
    }
    auto* to = reinterpret_cast<std::byte*>(column);
    for (const float value : values_) {
      const std::uint16_t bits = bf16_bits(value);
      std::memcpy(to, &bits, sizeof bits);
      to += sizeof bits;
    }
  }

  void transpose(Word* dst) const {
    auto* to = reinterpret_cast<std::byte*>(dst);
    for (std::int64_t w = 0; w < packed_.k_words; w += kTransposedWords) {
      const std::int64_t end = std::min(w + kTransposedWords, packed_.k_words);
      for (std::int64_t c = 0; c < kernel_.panel; ++c) {
        const std::uint32_t* column = columns_.data() + c * packed_.k_words;
        for (std::int64_t i = w; i < end; ++i) {
          std::memcpy(to + 4 * (i * kernel_.panel + c), column + i, 4);
        }
      }
    }
  }

  const LinearKernel& kernel_;
  const WeightPack& args_;
  const PackedPanels& packed_;
  std::vector<float> values_;
  std::vector<std::int8_t> quantized_;
  std::vector<std::uint32_t> columns_;  // [panel][k word]
};

// Element k of a Q4_0 block as a nibble.
std::uint8_t nibble(const std::uint8_t* quants, std::int64_t k) {
  return static_cast<std::uint8_t>(k < 16 ? quants[k] & 15 : quants[k - 16] >> 4);
}

// One block of one column into its place among the panel's columns.
void pack_block(const std::uint8_t* block, bool four_bit, std::int64_t panel, std::int64_t column,
                std::uint8_t* dst) {
  std::memcpy(dst + 2 * column, block, 2);
  const std::uint8_t* quants = block + 2;
  std::uint8_t* to = dst + 2 * panel + column;
  if (!four_bit) {
    for (std::int64_t k = 0; k < kBlockLength; ++k) to[k * panel] = quants[k];
    return;
  }
  for (std::int64_t i = 0; i < kBlockLength / 2; ++i) {
    to[i * panel] =
        static_cast<std::uint8_t>(nibble(quants, 2 * i) | nibble(quants, 2 * i + 1) << 4);
  }
}

void pack_block_panel(const LinearKernel& kernel, const WeightPack& args, bool four_bit,
                      std::int64_t panel, std::byte* dst, std::int64_t bytes) {
  std::memset(dst, 0, static_cast<std::size_t>(bytes));
  const std::int64_t blocks = args.K / kBlockLength;
  const std::int64_t block_size = panel_block_bytes(four_bit, kernel.panel);
  for (std::int64_t c = 0; c < kernel.panel; ++c) {
    const Source source = source_of(kernel, args, panel, c);
    if (source.view == nullptr) continue;
    const std::int64_t size = block_bytes(source.view->form);
    const auto* from =
        static_cast<const std::uint8_t*>(source.view->data) + source.row * blocks * size;
    for (std::int64_t b = 0; b < blocks; ++b) {
      pack_block(from + b * size, four_bit, kernel.panel, c,
                 reinterpret_cast<std::uint8_t*>(dst) + b * block_size);
    }
  }
}

void pack_words(const LinearKernel& kernel, const WeightPack& args, PackedPanels& packed) {
  packed.panel_words = packed.k_words * kernel.panel;
  Word* words = packed.data.reserve(packed.panels * packed.panel_words);
  float* scale = args.compute == ActType::kI8
                     ? packed.column_scale.reserve(packed.panels * kernel.panel)
                     : nullptr;
  parallel_for(0, packed.panels, 1 + 65536 / packed.panel_words,
               [&](std::int64_t begin, std::int64_t end) {
                 WordPacker packer(kernel, args, packed);
                 for (std::int64_t p = begin; p < end; ++p) {
                   packer.pack(p, words + p * packed.panel_words,
                               scale == nullptr ? nullptr : scale + p * kernel.panel);
                 }
               });
}

void pack_blocks(const LinearKernel& kernel, const WeightPack& args, PackedPanels& packed) {
  const std::int64_t bytes =
      panel_block_bytes(packed.four_bit, kernel.panel) * (args.K / kBlockLength);
  packed.panel_words = bytes / 4;
  auto* data =
      reinterpret_cast<std::byte*>(packed.data.reserve(packed.panels * packed.panel_words));
  parallel_for(0, packed.panels, 1 + 65536 / packed.panel_words,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t p = begin; p < end; ++p) {
                   pack_block_panel(kernel, args, packed.four_bit, p, data + p * bytes, bytes);
                 }
               });
}

}  // namespace

PackedPanels pack_panels(const LinearKernel& kernel, const WeightPack& args) {
  PackedPanels packed;
  packed.panels = ceil_div(args.N, panel_outputs(kernel, !args.gate.empty()));
  const std::int64_t words = ceil_div(args.K, elements_per_word(kernel.word));
  packed.k_words = ceil_div(words, kernel.words_multiple) * kernel.words_multiple;
  // A gate of another form than its up projection is rare: both are expanded while packing.
  packed.blocks =
      is_block_form(args.weight.form) && (args.gate.empty() || args.gate.form == args.weight.form);
  packed.four_bit = args.weight.form == WeightForm::kQ4_0;
  if (packed.blocks) {
    pack_blocks(kernel, args, packed);
  } else {
    pack_words(kernel, args, packed);
  }
  return packed;
}

}  // namespace conopa::kernels::detail

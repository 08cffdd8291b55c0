#include "engine/stage_tables.h"

#include <algorithm>

#include "conopa/arch/init.h"
#include "conopa/kernels/act_rows.h"

namespace conopa::engine {
namespace {

// Index of a padding token among those of its map: reading order.
class Pads {
 public:
  Pads(const arch::Stage& stage, const arch::Windows& windows)
      : rows_(stage.rows), cols_(stage.cols), padded_cols_(windows.padded_cols) {}

  [[nodiscard]] bool contains(std::int64_t row, std::int64_t col) const noexcept {
    return row >= rows_ || col >= cols_;
  }
  [[nodiscard]] std::int64_t index(std::int64_t row, std::int64_t col) const noexcept {
    const std::int64_t right = padded_cols_ - cols_;  // of every row of the map
    if (row < rows_) return row * right + col - cols_;
    return rows_ * right + (row - rows_) * padded_cols_ + col;
  }

 private:
  std::int64_t rows_, cols_, padded_cols_;
};

// Copies a token's angles of every head.
void copy_angles(const arch::RotaryTable& from, std::int64_t source, arch::RotaryTable& to,
                 std::int64_t target) {
  for (std::int64_t h = 0; h < to.heads; ++h) {
    const std::int64_t at = (h * from.tokens + source) * from.half;
    const std::int64_t into = (h * to.tokens + target) * to.half;
    std::copy_n(from.cos.begin() + at, to.half, to.cos.begin() + into);
    std::copy_n(from.sin.begin() + at, to.half, to.sin.begin() + into);
  }
}

// Every token of the map takes the angles of its place in its window.
arch::RotaryTable window_table(const arch::EncoderSpec& spec, const StageTables& tables) {
  const arch::Stage& stage = tables.stage;
  const Pads pads(stage, tables.windows);
  arch::RotaryTable out;
  for (const arch::WindowGroup& g : tables.windows.groups) {
    const arch::RotaryTable own =
        arch::rotary_table(arch::rotary_ladder(spec, stage, arch::RotaryRole::kWindow),
                           arch::window_coordinates(spec, stage, g.window_rows, g.window_cols));
    if (out.tokens == 0) {
      out = {.tokens = stage.tokens() + tables.pads,
             .half = own.half,
             .heads = own.heads,
             .cos = {},
             .sin = {}};
      const auto size = static_cast<std::size_t>(out.heads * out.tokens * out.half);
      out.cos.resize(size);
      out.sin.resize(size);
    }
    for (std::int64_t r = g.row; r < g.row + g.rows; ++r) {
      for (std::int64_t c = g.col; c < g.col + g.cols; ++c) {
        const std::int64_t place =
            (r - g.row) % g.window_rows * g.window_cols + (c - g.col) % g.window_cols;
        const std::int64_t token =
            pads.contains(r, c) ? stage.tokens() + pads.index(r, c) : r * stage.cols + c;
        copy_angles(own, place, out, token);
      }
    }
  }
  return out;
}

// Those of the map; the class token has none.
std::vector<float> computed_position(const arch::EncoderSpec& spec, const StageTables& tables) {
  const arch::Stage& s = tables.stage;
  const std::vector<float> map =
      arch::sincos_table(s.rows, s.cols, s.dim, arch::SinCosOrder::kColumnFirst);
  std::vector<float> all(static_cast<std::size_t>(tables.tokens * s.dim), 0.0F);
  const std::int64_t front = spec.class_token == arch::ClassToken::kFront ? 1 : 0;
  std::ranges::copy(map, all.begin() + front * s.dim);
  return padded_rows(all, s.dim);
}

}  // namespace

std::vector<float> padded_rows(std::span<const float> rows, std::int64_t width) {
  const std::int64_t count = std::ssize(rows) / width;
  const std::int64_t stride = kernels::act_padded(kernels::ActType::kF32, width);
  std::vector<float> out(static_cast<std::size_t>(count * stride), 0.0F);
  for (std::int64_t r = 0; r < count; ++r) {
    std::copy_n(rows.begin() + r * width, width, out.begin() + r * stride);
  }
  return out;
}

std::vector<std::int32_t> StageTables::window_rows(const arch::WindowGroup& g, std::int64_t batch,
                                                   std::int64_t pad_base) const {
  const Pads padding(stage, windows);
  std::vector<std::int32_t> out;
  out.reserve(static_cast<std::size_t>(batch * g.rows * g.cols));
  const auto add = [&](std::int64_t image, std::int64_t r, std::int64_t c) {
    const std::int64_t row = padding.contains(r, c) ? pad_base + image * pads + padding.index(r, c)
                                                    : image * tokens + r * stage.cols + c;
    out.push_back(static_cast<std::int32_t>(row));
  };
  for (std::int64_t image = 0; image < batch; ++image) {
    for (std::int64_t top = g.row; top < g.row + g.rows; top += g.window_rows) {
      for (std::int64_t left = g.col; left < g.col + g.cols; left += g.window_cols) {
        for (std::int64_t t = 0; t < g.window_tokens(); ++t) {
          add(image, top + t / g.window_cols, left + t % g.window_cols);
        }
      }
    }
  }
  return out;
}

StageTables make_stage_tables(const arch::EncoderSpec& spec, const arch::Stage& stage) {
  using arch::RotaryRole;
  StageTables out{.stage = stage,
                  .tokens = stage.tokens() + (spec.class_token_in_blocks() ? 1 : 0),
                  .whole = {},
                  .keys = {},
                  .window = {},
                  .windows = arch::stage_windows(spec, stage),
                  .position = {},
                  .decoder_position = {}};
  out.pads = out.windows.padded_rows * out.windows.padded_cols - stage.tokens();
  if (spec.position == arch::Position::kSinCosComputed) {
    out.position = computed_position(spec, out);
  }
  if (spec.rotary == arch::Rotary::kNone) return out;
  const auto table = [&](RotaryRole role, const arch::Coordinates& at) {
    return arch::rotary_table(arch::rotary_ladder(spec, stage, role), at);
  };
  if (!spec.pyramid()) {
    out.whole = table(RotaryRole::kTokens, arch::token_coordinates(spec));
    return out;
  }
  out.whole = table(RotaryRole::kQueries, arch::query_coordinates(spec, stage));
  out.keys = table(RotaryRole::kKeys, arch::key_coordinates(spec, stage));
  out.window = window_table(spec, out);
  return out;
}

kernels::LinearRope rope_of(const arch::RotaryTable& table, std::int64_t heads,
                            std::int64_t sections, std::int64_t first, std::int64_t tokens) {
  if (table.tokens == 0) return {};
  return {.cos = table.cos.data() + first * table.half,
          .sin = table.sin.data() + first * table.half,
          .tokens = tokens,
          .head_width = 2 * table.half,
          .head_stride = table.heads > 1 ? table.tokens * table.half : 0,
          .heads = heads,
          .columns = sections * heads * 2 * table.half};
}

std::int64_t size_of(const StageTables& tables) {
  std::size_t floats = tables.position.size() + tables.decoder_position.size();
  for (const arch::RotaryTable* table : {&tables.whole, &tables.keys, &tables.window}) {
    floats += table->cos.size() + table->sin.size();
  }
  return static_cast<std::int64_t>(floats * sizeof(float));
}

}  // namespace conopa::engine

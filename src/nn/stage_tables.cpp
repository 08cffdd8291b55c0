#include "nn/stage_tables.h"

#include "conopa/arch/rotary.h"
#include "conopa/nn/convert.h"

namespace conopa::nn {
namespace {

Rotation to_rotation(const arch::RotaryTable& table, at::Device device) {
  const Shape shape{1, table.heads, table.tokens, table.half};
  return {to_torch(HostTensor::of<float>(DType::kF32, shape, table.cos)).to(device),
          to_torch(HostTensor::of<float>(DType::kF32, shape, table.sin)).to(device)};
}

struct Span {
  std::int64_t begin, length, window;
};

// A side cut into whole windows and, if masked, a smaller last one.
std::vector<Span> cut(std::int64_t side, std::int64_t window, bool masked) {
  if (!masked) return {{0, (side + window - 1) / window * window, window}};
  const std::int64_t whole = side / window * window;
  std::vector<Span> out;
  if (whole > 0) out.push_back({0, whole, window});
  if (whole < side) out.push_back({whole, side - whole, side - whole});
  return out;
}

}  // namespace

StageTables make_stage_tables(const arch::EncoderSpec& spec, const arch::Stage& stage,
                              at::Device device) {
  using arch::RotaryRole;
  StageTables out{.stage = stage, .padded_rows = stage.rows, .padded_cols = stage.cols};
  const auto rotation = [&](RotaryRole role, const arch::Coordinates& at) {
    return to_rotation(arch::rotary_table(arch::rotary_ladder(spec, stage, role), at), device);
  };
  const bool rotates = spec.rotary != arch::Rotary::kNone;
  if (rotates && !spec.pyramid()) {
    out.tokens = rotation(RotaryRole::kTokens, arch::token_coordinates(spec));
  } else if (rotates) {
    out.tokens = rotation(RotaryRole::kQueries, arch::query_coordinates(spec, stage));
    out.keys = rotation(RotaryRole::kKeys, arch::key_coordinates(spec, stage));
  }
  if (stage.window == 0) return out;
  const bool masked = spec.window_padding == arch::WindowPadding::kMasked;
  for (const Span& rows : cut(stage.rows, stage.window, masked)) {
    for (const Span& cols : cut(stage.cols, stage.window, masked)) {
      WindowGroup group{.row = rows.begin,
                        .col = cols.begin,
                        .rows = rows.length,
                        .cols = cols.length,
                        .window_rows = rows.window,
                        .window_cols = cols.window,
                        .rotation = {}};
      if (rotates) {
        group.rotation = rotation(RotaryRole::kWindow,
                                  arch::window_coordinates(spec, stage, rows.window, cols.window));
      }
      out.padded_rows = rows.begin + rows.length;
      out.padded_cols = cols.begin + cols.length;
      out.windows.push_back(std::move(group));
    }
  }
  return out;
}

}  // namespace conopa::nn

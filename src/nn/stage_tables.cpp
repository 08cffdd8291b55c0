#include "nn/stage_tables.h"

#include <ATen/ops/zeros.h>

#include "conopa/arch/init.h"
#include "conopa/arch/rotary.h"
#include "conopa/nn/convert.h"

namespace conopa::nn {
namespace {

Rotation to_rotation(const arch::RotaryTable& table, at::Device device) {
  const Shape shape{1, table.heads, table.tokens, table.half};
  return {to_torch(HostTensor::of<float>(DType::kF32, shape, table.cos)).to(device),
          to_torch(HostTensor::of<float>(DType::kF32, shape, table.sin)).to(device)};
}

}  // namespace

at::Tensor computed_position(const arch::EncoderSpec& spec, const arch::Stage& stage,
                             std::int64_t width) {
  const std::int64_t front = spec.class_token_in_blocks() ? 1 : 0;
  const std::vector<float> table =
      arch::sincos_table(stage.rows, stage.cols, width, arch::SinCosOrder::kColumnFirst);
  at::Tensor out = at::zeros({1, stage.tokens() + front, width});
  const std::int64_t first = spec.class_token == arch::ClassToken::kFront ? 1 : 0;
  const Shape shape{1, stage.tokens(), width};
  out.narrow(1, first, stage.tokens())
      .copy_(to_torch(HostTensor::of<float>(DType::kF32, shape, table)));
  return out;
}

StageTables make_stage_tables(const arch::EncoderSpec& spec, const arch::Stage& stage,
                              at::Device device) {
  using arch::RotaryRole;
  StageTables out{.stage = stage};
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
  if (spec.position == arch::Position::kSinCosComputed) {
    out.position = computed_position(spec, stage, stage.dim).to(device);
  }
  const arch::Windows windows = arch::stage_windows(spec, stage);
  out.padded_rows = windows.padded_rows;
  out.padded_cols = windows.padded_cols;
  for (const arch::WindowGroup& group : windows.groups) {
    out.windows.push_back({group, {}});
    if (!rotates) continue;
    out.windows.back().rotation =
        rotation(RotaryRole::kWindow,
                 arch::window_coordinates(spec, stage, group.window_rows, group.window_cols));
  }
  return out;
}

}  // namespace conopa::nn

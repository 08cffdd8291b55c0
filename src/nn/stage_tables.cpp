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

}  // namespace

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

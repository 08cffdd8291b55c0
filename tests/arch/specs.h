#pragma once

#include <string_view>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/registry.h"
#include "conopa/arch/tensor_table.h"

namespace conopa::arch {

/// A preset's spec, resolved.
inline EncoderSpec resolved(std::string_view preset) {
  EncoderSpec spec = preset_spec(preset);
  spec.resolve();
  return spec;
}

/// What a checkpoint of the spec in a foreign scheme holds.
inline TensorIndex foreign_tensors(const EncoderSpec& spec, std::string_view scheme) {
  const TensorTable table(spec);
  TensorIndex index;
  for (const TensorEntry& entry : table.entries()) {
    const ForeignTensor foreign = table.foreign(entry.name, scheme);
    for (const std::string& part : foreign.parts) index.emplace(part, foreign.shape);
    if (foreign.parts.empty()) index.emplace(foreign.name, foreign.shape);
  }
  return index;
}

/// A plain encoder of one block without class token that rotates by column and row; not resolved.
inline EncoderSpec plane_spec(std::int64_t height, std::int64_t width) {
  EncoderSpec spec;
  spec.height = height;
  spec.width = width;
  spec.patch = 8;
  spec.dim = 8;
  spec.heads = 1;
  spec.depth = 1;
  spec.class_token = ClassToken::kNone;
  spec.position = Position::kNone;
  spec.rotary = Rotary::kPlane;
  spec.mask = Mask::kBidirectional;
  spec.read_out = ReadOut::kMean;
  return spec;
}

/// Two stages on a 16x24 image: maps of 4x6 and 2x3 tokens, windows of 4, keys pooled by 2 and 1;
/// not resolved.
inline EncoderSpec pyramid_spec() {
  EncoderSpec spec = plane_spec(16, 24);
  spec.family = "visionllama_pyramid";
  spec.patch = 4;
  spec.patch_norm = true;
  spec.stage_dims = {16, 24};
  spec.stage_depths = {3, 2};
  spec.stage_heads = {2, 3};
  spec.stage_windows = {4, 4};
  spec.stage_reductions = {2, 1};
  spec.remainder = Remainder::kPad;
  return spec;
}

}  // namespace conopa::arch

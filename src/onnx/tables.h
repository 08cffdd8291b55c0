#pragma once

#include <cstdint>
#include <string>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/windows.h"
#include "onnx/graph.h"

namespace conopa::onnx {

/// Rotation of one set of tokens by halves: x·cos + swapped(x)·sin with both halves of the angles
/// in one table, the sign of the sine included. Both [1 or H, N, Dh]; empty names for none.
struct Rotation {
  Value cos, sin;

  [[nodiscard]] bool defined() const noexcept { return !cos.empty(); }
};

/// Tables of a stage's global attention: of its tokens (queries), and of its keys. Calling again
/// gives the same initializers.
[[nodiscard]] Rotation query_rotation(Graph& graph, const arch::EncoderSpec& spec,
                                      const arch::Stage& stage);
[[nodiscard]] Rotation key_rotation(Graph& graph, const arch::EncoderSpec& spec,
                                    const arch::Stage& stage);

/// Table of the token at `index` alone (a plain encoder's class token).
[[nodiscard]] Rotation token_rotation(Graph& graph, const arch::EncoderSpec& spec,
                                      std::int64_t index);

/// Table of a window of the group.
[[nodiscard]] Rotation window_rotation(Graph& graph, const arch::EncoderSpec& spec,
                                       const arch::Stage& stage, const arch::WindowGroup& group);

/// Applies a mask of the spec to scores [B, H, N, N]: attention weights, after the softmax.
[[nodiscard]] Value masked_softmax(Graph& graph, const arch::EncoderSpec& spec, const Value& scores,
                                   std::int64_t tokens);

}  // namespace conopa::onnx

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "conopa/arch/spec_enums.h"
#include "conopa/core/host_tensor.h"

namespace conopa::llm {

/// Tensors by canonical name.
using LmTensors = std::map<std::string, HostTensor>;

/// What a language model says about its blocks. The fields describe the block completely; `kind`
/// only names the scheme that they came from.
struct LmConfig {
  std::string kind = "llama";   ///< "llama" or "opt"
  std::int64_t dim = 0;         ///< D
  std::int64_t layers = 0;      ///< of the whole model
  std::int64_t heads = 0;       ///< H; D = H * head_dim()
  std::int64_t kv_heads = 0;    ///< divides H; fewer than H: grouped queries
  std::int64_t hidden = 0;      ///< F, width of the feed-forward layer
  std::int64_t vocabulary = 0;  ///< 0: the source does not say
  std::int64_t context = 0;     ///< tokens it was made for; 0: the source does not say
  arch::Norm norm = arch::Norm::kRms;
  double norm_eps = 1e-5;
  bool bias = false;            ///< all linear layers have one (layer norms always do)
  bool relu = false;            ///< down(relu(up x)); else SwiGLU, down(silu(gate x) * up x)
  bool post_norm = false;       ///< norms behind the branches: x = norm(x + branch(x)) (OPT-350M)
  double rope_theta = 10000.0;  ///< base of the rotary angles; 0: no rotary positions

  [[nodiscard]] std::int64_t head_dim() const noexcept { return heads > 0 ? dim / heads : 0; }
  /// Rows of the key projection, and of the value projection, as stored.
  [[nodiscard]] std::int64_t kv_dim() const noexcept { return kv_heads * head_dim(); }
  /// Elements of all tensors of one layer as stored: 202,383,360 for LLaMA-7B.
  [[nodiscard]] std::int64_t layer_parameters() const noexcept;
  /// One line: "llama, 32 layers, width 4096, 32 heads, feed-forward 11008".
  [[nodiscard]] std::string summary() const;

  /// @param where  names the source in messages.
  /// @throws FormatError if a size is missing, out of range, or does not divide.
  void validate(std::string_view where) const;

  friend bool operator==(const LmConfig&, const LmConfig&) = default;
};

}  // namespace conopa::llm

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "conopa/llm/config.h"
#include "conopa/llm/source.h"

namespace conopa::llm {

/// Layers of a block, in the order in which they are read.
enum class Part { kNorm1, kQuery, kKey, kValue, kProj, kNorm2, kGate, kUp, kDown };

/// How tensor parallelism cuts a matrix over files.
enum class Cut { kRows, kColumns, kRepeated };

/// A layer's name in a format, without ".weight".
struct Spelling {
  Part part;
  std::string_view name;
  Cut cut = Cut::kRepeated;
};

/// How a format names the tensors of a model: base + layers + "31." + name + ".weight".
struct Naming {
  std::string_view format;                  ///< for people
  std::span<const std::string_view> bases;  ///< what may stand in front, most usual first
  std::string_view layers;                  ///< "layers."
  std::span<const Spelling> parts;
  std::string_view final_norm;                ///< behind the base, without ".weight"
  std::string_view embedding;                 ///< behind the base
  std::string_view output;                    ///< whole name
  std::span<const std::string_view> ignored;  ///< tensors of a layer that are no weights
  bool halves = false;                        ///< rotary pairs of q and k lie half a head apart
};

[[nodiscard]] const Naming& meta_naming() noexcept;
[[nodiscard]] const Naming& hugging_face_llama_naming() noexcept;
[[nodiscard]] const Naming& hugging_face_opt_naming() noexcept;
[[nodiscard]] const Naming& gguf_llama_naming() noexcept;

[[nodiscard]] constexpr bool is_norm(Part part) noexcept {
  return part == Part::kNorm1 || part == Part::kNorm2;
}

/// Shape of a part's weight, whole and as stored (kv_dim rows of keys and values).
[[nodiscard]] Shape weight_shape(const LmConfig& config, Part part);
/// Whether the part has a bias of as many elements as its weight has rows.
[[nodiscard]] bool has_bias(const LmConfig& config, Part part) noexcept;
/// Canonical name of the layer that holds the part; q, k and v share one.
[[nodiscard]] std::string_view own_name(Part part) noexcept;

}  // namespace conopa::llm

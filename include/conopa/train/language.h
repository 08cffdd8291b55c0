#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/fields.h"
#include "conopa/llm/frozen.h"
#include "conopa/nn/parameters.h"

namespace conopa::train {

/// What stands between the mappers of a language block, and what is trained of it (LM4V, arXiv
/// 2310.12973, section 5).
enum class LanguageMode {
  kNone,          ///< the model as [model] says
  kFrozen,        ///< layers of a language model, fixed
  kFinetune,      ///< the same, trained
  kRandom,        ///< blocks of that shape from random weights, trained
  kFrozenRandom,  ///< the same, fixed
  kMlp,           ///< GELU and layer norm of that width
  kOnlyMlp        ///< fixed layers of a language model without their attention
};

/// `[llm]`: the language block of the model.
struct LanguageOptions {
  LanguageMode mode = LanguageMode::kNone;
  std::string source;           ///< language model; random and mlp take its shape alone
  std::string layers = "last";  ///< see llm::parse_layers
  std::string place = "tail";   ///< head, middle, tail, or how many blocks run before it
  llm::LastNorm norm = llm::LastNorm::kOnes;
  nn::FrozenStorage storage = nn::FrozenStorage::kFp32;

  void visit(FieldVisitor& v);

  /// Writes shape, place and mode into a spec that is not resolved yet. Reads the source's header.
  /// @throws ConfigError for a mode without its source, and for layers or places that are not
  ///         there; what llm::LmSource::open throws.
  void apply(arch::EncoderSpec& spec) const;
};

/// Fills the language block of a model by its options and puts its matrices into their storage.
/// @param random_seed  of kFrozenRandom.
/// @return what a model folder says about tensors that it does not hold; nothing if it holds all.
/// @throws what llm::read_frozen throws.
[[nodiscard]] std::optional<llm::FrozenRecord> load_language(const LanguageOptions& options,
                                                             const arch::EncoderSpec& spec,
                                                             std::int64_t random_seed,
                                                             nn::Parameters& parameters);

}  // namespace conopa::train

template <>
struct conopa::EnumNames<conopa::train::LanguageMode> {
  static constexpr std::array<std::string_view, 7> kNames = {
      "none", "frozen", "finetune", "random", "frozen_random", "mlp", "only_mlp"};
};

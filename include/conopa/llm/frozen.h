#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/fields.h"
#include "conopa/io/tensor_source.h"
#include "conopa/llm/config.h"

namespace conopa::llm {

/// Weights of the norm behind a language block. The released code leaves ones.
enum class LastNorm { kOnes, kLoaded };

/// llm.json of a model folder whose language block is not in its weights: where to read it again.
struct FrozenRecord {
  std::string source = {};                ///< path of the language model; empty: random tensors
  std::vector<std::int64_t> layers = {};  ///< 0-based, in the order of the block
  LastNorm norm = LastNorm::kOnes;
  std::int64_t seed = 0;         ///< of random tensors
  std::string description = {};  ///< LmSource::describe(), for people
  std::string hash = {};         ///< LmSource::hash_of() of the tensors

  void visit(FieldVisitor& v);
};

/// Takes the shape of `count` layers of a language model into a spec.
void take_shape(const LmConfig& config, std::int64_t count, arch::LanguageBlock& block);

/// The tensors of a spec's language block under their canonical names ("llm.layers.0.norm1.weight",
/// ..., "llm.norm.weight"), as stored; a block without attention gets none of it.
/// @throws ConfigError if the source's layers do not have the spec's shape; what LmSource throws.
/// @complexity memory of the layers.
[[nodiscard]] LmTensors read_frozen(const FrozenRecord& record, const arch::EncoderSpec& spec);

/// File name beside config.json.
inline constexpr std::string_view kRecordFile = "llm.json";

/// The record of a model folder; nothing if it has none.
/// @throws FormatError if the file is damaged.
[[nodiscard]] std::optional<FrozenRecord> read_record(const std::filesystem::path& folder);

/// Weights joined by the tensors that the record of `folder` names. They are the weights themselves
/// if these hold the language block already, or if there is no record.
/// @throws what read_frozen throws; FormatError if the tensors are not those of the record.
[[nodiscard]] std::unique_ptr<TensorSource> with_frozen(std::unique_ptr<TensorSource> weights,
                                                        const arch::EncoderSpec& spec,
                                                        const std::filesystem::path& folder);

}  // namespace conopa::llm

template <>
struct conopa::EnumNames<conopa::llm::LastNorm> {
  static constexpr std::array<std::string_view, 2> kNames = {"ones", "loaded"};
};

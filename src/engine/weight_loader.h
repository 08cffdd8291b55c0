#pragma once

#include <string>
#include <vector>

#include "conopa/arch/folded_pool.h"
#include "conopa/arch/tensor_table.h"
#include "engine/weights.h"

namespace conopa::engine {

/// Reads and packs the tensors of one model: blocks and embeddings (weights.cpp), what stands
/// behind them (weights_head.cpp), language blocks (weights_language.cpp), matrices with LoRA
/// branches (weights_lora.cpp).
class WeightLoader {
 public:
  WeightLoader(const arch::EncoderSpec& spec, const TensorSource& source, const ActTypes& types,
               kernels::Isa isa)
      : spec_(spec), table_(spec), source_(source), types_(types), isa_(isa) {}

  [[nodiscard]] ModelWeights load(const LoadScope& scope) const;

 private:
  using ActType = kernels::ActType;

  [[nodiscard]] const arch::TensorEntry& entry(const std::string& name) const;
  void check_shape(const arch::TensorEntry& entry, const Shape& found) const;
  [[nodiscard]] std::vector<float> floats(const std::string& name) const;
  [[nodiscard]] std::vector<float> floats_or_none(const std::string& name) const;
  [[nodiscard]] StoredMatrix matrix(const std::string& name) const;
  [[nodiscard]] NormWeights norm(const std::string& prefix) const;
  [[nodiscard]] NormWeights norm_of(const std::string& prefix, arch::Norm kind, double eps) const;
  [[nodiscard]] LinearWeights linear(const std::string& prefix, ActType compute) const;
  /// A layer of float32 rows [rows, columns].
  [[nodiscard]] LinearWeights packed(const std::vector<float>& weight, std::int64_t rows,
                                     ActType compute) const;
  [[nodiscard]] LinearWeights rows_of(const std::string& prefix, std::int64_t begin,
                                      std::int64_t count) const;
  [[nodiscard]] StageWeights stage(const arch::Stage& stage) const;
  /// @param one_token  queries apart from keys and values: a shortcut asks for one token's alone.
  [[nodiscard]] BlockWeights block(const arch::BlockSpec& block, bool one_token) const;
  void load_attention(const arch::BlockSpec& block, bool one_token, BlockWeights& out) const;
  [[nodiscard]] LanguageWeights language(const std::vector<arch::BlockSpec>& blocks) const;
  void fold(const arch::BlockSpec& block, LanguageWeights& out) const;
  /// A layer of a block with its LoRA branches added to the weight.
  /// @param sections  matrices [D, D] next to each other: q, k and v, or one.
  [[nodiscard]] LinearWeights merged(const arch::BlockSpec& block, std::string_view layer,
                                     std::string_view branches, std::int64_t sections) const;
  [[nodiscard]] StoredMatrix token_embedding() const;

  [[nodiscard]] arch::ChannelShift head_norm() const;
  void load_head(ModelWeights& out) const;
  [[nodiscard]] PoolWeights pool(const arch::ChannelShift& norm) const;
  [[nodiscard]] DecoderWeights decoder(const std::vector<arch::BlockSpec>& blocks) const;

  const arch::EncoderSpec& spec_;
  arch::TensorTable table_;
  const TensorSource& source_;
  ActTypes types_;
  kernels::Isa isa_;
};

}  // namespace conopa::engine

#include "conopa/engine/model.h"

#include <fmt/format.h>

#include "conopa/core/error.h"
#include "conopa/engine/stored_model.h"
#include "conopa/kernels/attend.h"
#include "engine/model_impl.h"

namespace conopa::engine {
namespace {

using kernels::ActType;
using kernels::Isa;

Precision resolve(Precision asked, const TensorSource& weights, Isa isa) {
  const std::optional<QuantForm> stored = weights.quant_form();
  if (asked == Precision::kInt8 && stored && has_blocks(*stored)) {
    throw UnsupportedError(
        weights.where(),
        "expected float or int8 weights for int8 arithmetic, found {}, which runs "
        "in bf16 and fp32; quantise the float model to int8 instead",
        enum_name(*stored));
  }
  if (asked != Precision::kAuto) return asked;
  if (stored == QuantForm::kInt8) return Precision::kInt8;
  return isa >= Isa::kAvx512Bf16 ? Precision::kBf16 : Precision::kFp32;
}

ActTypes types_of(Precision precision, Isa isa) {
  switch (precision) {
    case Precision::kBf16:
      return {ActType::kBf16, ActType::kBf16};
    case Precision::kInt8:
      return {ActType::kI8, isa >= Isa::kAvx512Bf16 ? ActType::kBf16 : ActType::kF32};
    default:
      return {ActType::kF32, ActType::kF32};
  }
}

arch::EncoderSpec at_size(const arch::EncoderSpec& spec, const ModelOptions& options) {
  arch::EncoderSpec out = spec;
  if (options.height > 0) out.height = options.height;
  if (options.width > 0) out.width = options.width;
  out.resolve();
  return out;
}

// Quantisation-aware models compute in float32 between their learned steps.
Precision check_stepped(Precision precision, const std::string& where) {
  if (precision == Precision::kAuto || precision == Precision::kFp32) return Precision::kFp32;
  throw UnsupportedError(where,
                         "expected precision fp32 or auto for a quantisation-aware (lsq) model, "
                         "got {}; its learned steps are its precision",
                         enum_name(precision));
}

}  // namespace

Model Model::load(const arch::EncoderSpec& spec, const TensorSource& weights,
                  const ModelOptions& options) {
  const bool stepped = spec.quantization == arch::Quantization::kLsq;
  auto impl = std::make_shared<Impl>();
  impl->spec = at_size(spec, options);
  impl->isa = options.isa.value_or(kernels::active_isa());
  impl->precision = stepped ? check_stepped(options.precision, weights.where())
                            : resolve(options.precision, weights, impl->isa);
  impl->types = types_of(impl->precision, impl->isa);
  impl->blocks = arch::encoder_blocks(impl->spec);
  for (const arch::Stage& stage : impl->spec.stages()) {
    impl->stages.push_back(make_stage_tables(impl->spec, stage));
  }
  const auto load_from = [&](const TensorSource& source) {
    impl->weights = load_weights(spec, impl->spec, source, impl->types, impl->isa);
  };
  if (stepped) {
    load_from(LsqSource(spec, weights));
  } else {
    load_from(weights);
  }
  return Model(std::move(impl));
}

Model Model::open(const std::filesystem::path& path, const ModelOptions& options) {
  const StoredModel stored = open_model(path);
  return load(stored.spec, *stored.weights, options);
}

const arch::EncoderSpec& Model::spec() const noexcept { return impl_->spec; }
Precision Model::precision() const noexcept { return impl_->precision; }
kernels::Isa Model::isa() const noexcept { return impl_->isa; }

std::int64_t Model::weight_bytes() const noexcept {
  std::int64_t sum = size_of(impl_->weights);
  for (const StageTables& tables : impl_->stages) sum += size_of(tables);
  return sum;
}

std::vector<LayerInfo> Model::layers() const {
  const auto& stages = impl_->stages;
  std::vector<LayerInfo> out{{"tokens_in", stages.front().tokens, stages.front().stage.dim}};
  for (const arch::BlockSpec& block : impl_->blocks) {
    const StageTables& tables = stages[static_cast<std::size_t>(block.stage)];
    out.push_back({arch::block_label(impl_->spec, block) + "_out", tables.tokens, block.dim});
  }
  const std::int64_t late = impl_->spec.class_token == arch::ClassToken::kLate ? 1 : 0;
  out.push_back({"final_norm", stages.back().tokens + late, impl_->spec.dim});
  return out;
}

std::vector<std::string> Model::explain(std::int64_t batch) const {
  std::vector<std::string> lines;
  const auto add = [&lines](const std::string& what, const LinearWeights& layer,
                            std::int64_t rows) {
    if (layer.packed.empty()) return;
    lines.push_back(fmt::format("{} {}x{}x{}: {}", what, rows, layer.packed.outputs(),
                                layer.packed.inputs(),
                                kernels::explain_linear(layer.packed, rows)));
  };
  for (const StageTables& tables : impl_->stages) {
    const std::int64_t rows = batch * tables.tokens;
    const auto index = static_cast<std::size_t>(tables.stage.index);
    const auto first = static_cast<std::size_t>(tables.stage.first_block);
    const std::string prefix = impl_->spec.pyramid() ? fmt::format("stage{} ", index) : "";
    add(prefix + "patch", impl_->weights.stages[index].patch, batch * tables.stage.tokens());
    const BlockWeights& block = impl_->weights.blocks[first];
    add(prefix + "qkv", block.qkv, rows);
    add(prefix + "proj", block.proj, rows);
    add(prefix + "up", block.up, rows);
    add(prefix + "down", block.down, rows);
    lines.push_back(prefix +
                    "attention: " + kernels::explain_attend(impl_->types.wide, impl_->isa));
  }
  add("head", impl_->weights.head, batch);
  return lines;
}

}  // namespace conopa::engine

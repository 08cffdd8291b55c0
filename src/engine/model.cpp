#include "conopa/engine/model.h"

#include <fmt/format.h>

#include "conopa/arch/init.h"
#include "conopa/arch/position_resize.h"
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

arch::EncoderSpec at_size(const arch::EncoderSpec& spec, std::int64_t height, std::int64_t width) {
  arch::EncoderSpec out = spec;
  if (height > 0) out.height = height;
  if (width > 0) out.width = width;
  if (spec.input == arch::Input::kTokens && (out.height != 1 || out.width != spec.width)) {
    throw ConfigError("model", "expected the {} tokens of the model, got a size of {}x{}",
                      spec.width, out.height, out.width);
  }
  out.resolve();
  return out;
}

void check_decoder(const arch::EncoderSpec& spec, const std::string& where) {
  if (spec.decoder == arch::Decoder::kNextPatch) return;
  if (spec.decoder == arch::Decoder::kNone) {
    throw ConfigError(where, "expected a model with decoder = \"next_patch\", found one without");
  }
  throw UnsupportedError(where,
                         "expected a decoder of the kind next_patch, found {}, which runs with "
                         "libtorch alone; use --engine torch",
                         enum_name(spec.decoder));
}

// Positions [tokens, D] with a row of zeros for a class token that has none.
std::vector<float> with_class_row(const arch::EncoderSpec& spec, const arch::Stage& stage,
                                  std::span<const float> positions) {
  std::vector<float> rows(positions.begin(), positions.end());
  if (spec.position_class_row || !spec.class_token_in_blocks()) return rows;
  const auto at = spec.class_token_index() * stage.dim;
  rows.insert(rows.begin() + at, static_cast<std::size_t>(stage.dim), 0.0F);
  return rows;
}

LoadScope scope_of(const arch::EncoderSpec& spec, bool decoder) {
  LoadScope scope{.blocks = arch::encoder_blocks(spec),
                  .decoder_blocks = {},
                  .language_blocks = arch::language_blocks(spec),
                  .decoder = decoder};
  if (decoder) {
    scope.decoder_blocks = arch::decoder_blocks(spec);
  } else {
    scope.blocks.resize(static_cast<std::size_t>(spec.blocks_to_run()));
  }
  return scope;
}

// Quantisation-aware models compute in float32 between their learned steps.
Precision check_stepped(Precision precision, const std::string& where) {
  if (precision == Precision::kAuto || precision == Precision::kFp32) return Precision::kFp32;
  throw UnsupportedError(where,
                         "expected precision fp32 or auto for a quantisation-aware (lsq) model, "
                         "got {}; its learned steps are its precision",
                         enum_name(precision));
}

void add_language_layers(const Model::Impl& impl, std::vector<LayerInfo>& out) {
  const std::int64_t tokens = impl.stages.front().tokens;
  const std::int64_t D = impl.spec.llm.dim;
  out.push_back({"encoder_out", tokens, impl.spec.dim});
  out.push_back({"llm_mapper1", tokens, D});
  for (const arch::BlockSpec& block : impl.scope.language_blocks) {
    out.push_back({block.label + "_out", tokens, D});
  }
  out.push_back({"llm_norm", tokens, D});
  out.push_back({"llm_mapper2", tokens, impl.spec.dim});
}

}  // namespace

Model Model::load(const arch::EncoderSpec& spec, const TensorSource& weights,
                  const ModelOptions& options) {
  if (spec.input == arch::Input::kPoints || spec.read_out == arch::ReadOut::kTokenMax ||
      spec.head_hidden > 0) {
    throw UnsupportedError(weights.where(),
                           "expected a model of images or tokens, found input = \"{}\" (read-out "
                           "{}), which runs with libtorch alone; use train.task = \"points\"",
                           enum_name(spec.input), enum_name(spec.read_out));
  }
  const bool stepped = spec.quantization == arch::Quantization::kLsq;
  if (options.decoder) check_decoder(spec, weights.where());
  auto impl = std::make_shared<Impl>();
  impl->stored = spec;
  impl->spec = at_size(spec, options.height, options.width);
  impl->isa = options.isa.value_or(kernels::active_isa());
  impl->precision = stepped ? check_stepped(options.precision, weights.where())
                            : resolve(options.precision, weights, impl->isa);
  impl->types = types_of(impl->precision, impl->isa);
  impl->scope = scope_of(spec, options.decoder);
  const auto load_from = [&](const TensorSource& source) {
    impl->weights = std::make_shared<const ModelWeights>(
        load_weights(spec, source, impl->types, impl->isa, impl->scope));
  };
  if (stepped) {
    load_from(LsqSource(spec, weights));
  } else {
    load_from(weights);
  }
  impl->make_tables();
  return Model(std::move(impl));
}

void Model::Impl::make_tables() {
  stages.clear();
  for (const arch::Stage& stage : spec.stages()) {
    StageTables& tables = stages.emplace_back(make_stage_tables(spec, stage));
    const HostTensor& position = weights->stages[static_cast<std::size_t>(stage.index)].position;
    if (!position.empty()) {
      const std::string name = arch::names::position(stored, stage.index);
      const std::vector<float> rows = arch::resize_position(stored, spec, name, position).to_f32();
      const std::int64_t spare = spec.position_spare_row ? stage.dim : 0;
      tables.position = padded_rows(
          with_class_row(spec, stage, std::span(rows).subspan(static_cast<std::size_t>(spare))),
          stage.dim);
    }
    if (!scope.decoder_blocks.empty()) {
      tables.decoder_position =
          padded_rows(arch::sincos_table(stage.rows, stage.cols, spec.decoder_dim,
                                         arch::SinCosOrder::kColumnFirst),
                      spec.decoder_dim);
    }
  }
}

Model Model::resized(std::int64_t height, std::int64_t width) const {
  auto impl = std::make_shared<Impl>(*impl_);
  if (height < 1 || width < 1) {
    throw ConfigError("model", "expected a size of at least 1x1 px, got {}x{}", height, width);
  }
  impl->spec = at_size(impl->stored, height, width);
  impl->make_tables();
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
  std::int64_t sum = size_of(*impl_->weights);
  for (const StageTables& tables : impl_->stages) sum += size_of(tables);
  return sum;
}

std::vector<LayerInfo> Model::layers() const {
  const auto& stages = impl_->stages;
  std::vector<LayerInfo> out{{"tokens_in", stages.front().tokens, stages.front().stage.dim}};
  const arch::EncoderSpec& spec = impl_->spec;
  for (std::size_t i = 0; i < impl_->blocks_read(); ++i) {
    const arch::BlockSpec& block = impl_->scope.blocks[i];
    const StageTables& tables = stages[static_cast<std::size_t>(block.stage)];
    if (spec.llm.present() && spec.llm.after == block.index) add_language_layers(*impl_, out);
    out.push_back({block.label + "_out", tables.tokens, block.dim});
  }
  if (spec.llm_last()) add_language_layers(*impl_, out);
  const std::int64_t late = impl_->spec.class_token == arch::ClassToken::kLate ? 1 : 0;
  out.push_back({impl_->spec.read_blocks.empty() ? "final_norm" : "read_tokens",
                 stages.back().tokens + late, impl_->spec.dim});
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
    add(prefix + "patch", impl_->weights->stages[index].patch, batch * tables.stage.tokens());
    const BlockWeights& block = impl_->weights->blocks[first];
    add(prefix + "qkv", block.qkv, rows);
    add(prefix + "proj", block.proj, rows);
    add(prefix + "up", block.up, rows);
    add(prefix + "down", block.down, rows);
    lines.push_back(prefix +
                    "attention: " + kernels::explain_attend(impl_->types.wide, impl_->isa));
  }
  const ModelWeights& weights = *impl_->weights;
  const std::int64_t tokens = batch * impl_->stages.back().tokens;
  add("pool", weights.pool.scores, tokens);
  add("language in", weights.language.in, tokens);
  for (const BlockWeights& block : weights.language.blocks) {
    add("language qkv", block.qkv, tokens);
    add("language up", block.up, tokens);
    add("language down", block.down, tokens);
  }
  add("head", weights.head, batch);
  add("projection", weights.projection, batch);
  add("decoder embed", weights.decoder.embed, tokens);
  if (!weights.decoder.blocks.empty()) {
    const BlockWeights& block = weights.decoder.blocks.front();
    add("decoder qkv", block.qkv, tokens);
    add("decoder up", block.up, tokens);
    add("decoder down", block.down, tokens);
  }
  add("decoder pred", weights.decoder.out, tokens);
  return lines;
}

}  // namespace conopa::engine

#include "engine/weights.h"

#include <algorithm>
#include "conopa/core/error.h"
#include "conopa/kernels/act_rows.h"
#include "engine/weight_loader.h"

namespace conopa::engine {
namespace names = arch::names;

const arch::TensorEntry& WeightLoader::entry(const std::string& name) const {
  const arch::TensorEntry* entry = table_.find(name);
  if (entry == nullptr) {
    throw FormatError(source_.where(),
                      "expected a model with the tensor {}, found a description "
                      "without it; import again",
                      name);
  }
  if (!source_.contains(name)) {
    throw FormatError(source_.where(),
                      "expected the tensor {} of shape {}, found none; import the "
                      "model again",
                      name, to_string(entry->shape));
  }
  return *entry;
}

void WeightLoader::check_shape(const arch::TensorEntry& entry, const Shape& found) const {
  if (found == entry.shape) return;
  throw FormatError(source_.where(), "expected {} of shape {}, found {}; import the model again",
                    entry.name, to_string(entry.shape), to_string(found));
}

std::vector<float> WeightLoader::floats(const std::string& name) const {
  const HostTensor value = source_.read(entry(name).name);
  check_shape(entry(name), value.shape());
  std::vector<float> values = value.to_f32();
  require_finite(source_, name, values);
  return values;
}

std::vector<float> WeightLoader::floats_or_none(const std::string& name) const {
  if (table_.find(name) == nullptr) return {};
  return floats(name);
}

StoredMatrix WeightLoader::matrix(const std::string& name) const {
  const arch::TensorEntry& expected = entry(name);
  check_shape(expected, source_.info(name).shape);
  return StoredMatrix(source_, name);
}

NormWeights WeightLoader::norm(const std::string& prefix) const {
  return norm_of(prefix, spec_.norm, spec_.norm_eps);
}

NormWeights WeightLoader::norm_of(const std::string& prefix, arch::Norm kind, double eps) const {
  const bool layer = kind == arch::Norm::kLayer;
  return {.kind = layer ? kernels::NormKind::kLayer : kernels::NormKind::kRms,
          .eps = static_cast<float>(eps),
          .weight = floats(prefix + ".weight"),
          .bias = floats_or_none(prefix + ".bias")};
}

LinearWeights WeightLoader::linear(const std::string& prefix, ActType compute) const {
  const StoredMatrix weight = matrix(prefix + ".weight");
  return {.packed = kernels::PackedWeight::pack({.N = weight.rows(),
                                                 .K = weight.columns(),
                                                 .weight = weight.view(),
                                                 .gate = {},
                                                 .compute = compute},
                                                isa_),
          .bias = floats_or_none(prefix + ".bias"),
          .gate_bias = {}};
}

LinearWeights WeightLoader::packed(const std::vector<float>& weight, std::int64_t rows,
                                   ActType compute) const {
  const kernels::WeightView view{.data = weight.data()};
  return {.packed = kernels::PackedWeight::pack({.N = rows,
                                                 .K = std::ssize(weight) / rows,
                                                 .weight = view,
                                                 .gate = {},
                                                 .compute = compute},
                                                isa_),
          .bias = {},
          .gate_bias = {}};
}

LinearWeights WeightLoader::rows_of(const std::string& prefix, std::int64_t begin,
                                    std::int64_t count) const {
  const StoredMatrix weight = matrix(prefix + ".weight");
  LinearWeights out{.packed = kernels::PackedWeight::pack({.N = count,
                                                           .K = weight.columns(),
                                                           .weight = weight.view(begin),
                                                           .gate = {},
                                                           .compute = types_.input},
                                                          isa_),
                    .bias = floats_or_none(prefix + ".bias"),
                    .gate_bias = {}};
  if (!out.bias.empty()) {
    out.bias = std::vector<float>(out.bias.begin() + begin, out.bias.begin() + begin + count);
  }
  return out;
}

StageWeights WeightLoader::stage(const arch::Stage& stage) const {
  StageWeights out;
  if (spec_.input == arch::Input::kImage) {
    // Pixels are few and wide in range: the embedding keeps the wide type in int8 too.
    out.patch = linear(names::patch_proj(spec_, stage.index), types_.wide);
  }
  if (spec_.patch_norm) out.patch_norm = norm(names::patch_norm(spec_, stage.index));
  if (spec_.position == arch::Position::kLearned || spec_.position == arch::Position::kSinCos) {
    const std::string name = names::position(spec_, stage.index);
    const std::vector<float> rows = floats(name);
    out.position = HostTensor::of<float>(DType::kF32, entry(name).shape, rows);
  }
  if (spec_.position == arch::Position::kConditional) {
    const std::string prefix = names::conditional(stage.index);
    const std::vector<float> weight = floats(prefix + ".weight");  // [D, 1, 3, 3]
    out.conditional.resize(weight.size());
    for (std::int64_t c = 0; c < stage.dim; ++c) {
      for (std::int64_t t = 0; t < 9; ++t) {
        out.conditional[static_cast<std::size_t>(t * stage.dim + c)] =
            weight[static_cast<std::size_t>(c * 9 + t)];
      }
    }
    out.conditional_bias = floats(prefix + ".bias");
  }
  return out;
}

void WeightLoader::load_attention(const arch::BlockSpec& b, bool one_token,
                                  BlockWeights& out) const {
  const auto layer = [&](std::string_view name) { return linear(b.name(name), types_.input); };
  if (b.separate_queries) {
    out.q = layer(names::kQuery);
    out.kv = layer(names::kKeyValue);
    if (b.reduction > 1) {
      out.pool = linear(b.name(names::kPool), types_.wide);
      out.pool_norm = norm_of(b.name(names::kPoolNorm), b.norm, b.norm_eps);
    }
  } else if (one_token) {
    out.q = rows_of(b.name(names::kQkv), 0, b.dim);
    out.kv = rows_of(b.name(names::kQkv), b.dim, 2 * b.dim);
  } else {
    out.qkv = merged(b, names::kQkv, names::kQkvLora, 3);
  }
  out.query_norm = floats_or_none(b.name(names::kQueryNorm) + ".weight");
  out.key_norm = floats_or_none(b.name(names::kKeyNorm) + ".weight");
  out.proj = merged(b, names::kProj, names::kProjLora, 1);
}

BlockWeights WeightLoader::block(const arch::BlockSpec& b, bool one_token) const {
  BlockWeights out;
  const auto own_norm = [&](std::string_view name) {
    return norm_of(b.name(name), b.norm, b.norm_eps);
  };
  if (b.mixer != arch::Mixer::kNone) out.norm1 = own_norm(names::kNorm1);
  if (b.mixer == arch::Mixer::kAttention) load_attention(b, one_token, out);
  out.norm2 = own_norm(names::kNorm2);
  const auto layer = [&](std::string_view name) { return linear(b.name(name), types_.input); };
  if (b.mlp == arch::Mlp::kSwiglu && b.quantization == arch::Quantization::kLsq) {
    out.gate = layer(names::kGate);  // gate and up read inputs of different steps
    out.up = layer(names::kUp);
  } else if (b.mlp == arch::Mlp::kSwiglu) {
    const StoredMatrix up = matrix(b.name(names::kUp) + ".weight");
    const StoredMatrix gate = matrix(b.name(names::kGate) + ".weight");
    out.up = {.packed = kernels::PackedWeight::pack({.N = b.mlp_hidden,
                                                     .K = b.dim,
                                                     .weight = up.view(),
                                                     .gate = gate.view(),
                                                     .compute = types_.input},
                                                    isa_),
              .bias = floats_or_none(b.name(names::kUp) + ".bias"),
              .gate_bias = floats_or_none(b.name(names::kGate) + ".bias")};
  } else {
    out.up = layer(names::kUp);
  }
  out.down = layer(names::kDown);
  out.scale1 = floats_or_none(b.name(names::kScale1));
  out.scale2 = floats_or_none(b.name(names::kScale2));
  return out;
}

ModelWeights WeightLoader::load(const LoadScope& scope) const {
  ModelWeights out;
  if (spec_.input == arch::Input::kTokens) out.tokens.emplace(token_embedding());
  for (const arch::Stage& s : spec_.stages()) out.stages.push_back(stage(s));
  for (const arch::BlockSpec& b : scope.blocks) {
    const bool last = b.index + 1 == spec_.depth;
    const bool feeds_language = spec_.llm_last() && spec_.llm.mixes_tokens();
    out.blocks.push_back(block(b, last && !feeds_language && arch::reads_one_token(spec_)));
    if (b.quantization == arch::Quantization::kLsq) {
      out.lsq.push_back(load_lsq_block(spec_, b, source_));
    }
  }
  if (spec_.has_class_token()) out.class_token = floats(std::string(names::kClassToken));
  // Blocks that are averaged are read as they are.
  if (spec_.read_blocks.empty() || scope.decoder) {
    out.final_norm = norm(std::string(names::kFinalNorm));
  }
  out.language = language(scope.language_blocks);
  load_head(out);
  if (scope.decoder) out.decoder = decoder(scope.decoder_blocks);
  return out;
}

namespace {

std::int64_t bytes_of(const std::vector<float>& values) {
  return static_cast<std::int64_t>(values.size() * sizeof(float));
}

std::int64_t bytes_of(const NormWeights& norm) {
  return bytes_of(norm.weight) + bytes_of(norm.bias);
}

std::int64_t bytes_of(const LinearWeights& layer) {
  return (layer.packed.empty() ? 0 : layer.packed.bytes()) + bytes_of(layer.bias) +
         bytes_of(layer.gate_bias);
}

std::int64_t bytes_of(const BlockWeights& b) {
  std::int64_t sum = bytes_of(b.norm1) + bytes_of(b.norm2) + bytes_of(b.pool_norm) +
                     bytes_of(b.query_norm) + bytes_of(b.key_norm) + bytes_of(b.scale1) +
                     bytes_of(b.scale2);
  for (const LinearWeights* layer :
       {&b.qkv, &b.q, &b.kv, &b.pool, &b.proj, &b.up, &b.gate, &b.down}) {
    sum += bytes_of(*layer);
  }
  return sum;
}

}  // namespace

ModelWeights load_weights(const arch::EncoderSpec& spec, const TensorSource& source,
                          const ActTypes& types, kernels::Isa isa, const LoadScope& scope) {
  return WeightLoader(spec, source, types, isa).load(scope);
}

std::int64_t size_of(const ModelWeights& weights) {
  std::int64_t sum = bytes_of(weights.class_token) + bytes_of(weights.final_norm) +
                     bytes_of(weights.head) + bytes_of(weights.head_shift) +
                     bytes_of(weights.head_scale) + bytes_of(weights.pool.scores) +
                     bytes_of(weights.projection) + bytes_of(weights.decoder.embed) +
                     bytes_of(weights.decoder.norm) + bytes_of(weights.decoder.out);
  if (weights.tokens) sum += weights.tokens->bytes();
  for (const LinearWeights& head : weights.pool.values) sum += bytes_of(head);
  for (const StageWeights& s : weights.stages) {
    sum += bytes_of(s.patch) + bytes_of(s.patch_norm) + std::ssize(s.position.bytes()) +
           bytes_of(s.conditional) + bytes_of(s.conditional_bias);
  }
  for (const BlockWeights& b : weights.blocks) sum += bytes_of(b);
  for (const BlockWeights& b : weights.decoder.blocks) sum += bytes_of(b);
  for (const BlockWeights& b : weights.language.blocks) sum += bytes_of(b);
  for (const LinearWeights& head : weights.language.keys) sum += bytes_of(head);
  for (const LinearWeights& head : weights.language.values) sum += bytes_of(head);
  sum += bytes_of(weights.language.in) + bytes_of(weights.language.out) +
         bytes_of(weights.language.norm) + bytes_of(weights.language.gram);
  return sum;
}

}  // namespace conopa::engine

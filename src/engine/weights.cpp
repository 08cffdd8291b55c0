#include "engine/weights.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/engine/stored_model.h"
#include "conopa/kernels/act_rows.h"
#include "engine/stored_matrix.h"

namespace conopa::engine {
namespace {

namespace names = arch::names;
using kernels::ActType;

class Loader {
 public:
  Loader(const arch::EncoderSpec& stored, const arch::EncoderSpec& spec, const TensorSource& source,
         const ActTypes& types, kernels::Isa isa)
      : stored_(stored), spec_(spec), table_(spec), source_(source), types_(types), isa_(isa) {}

  ModelWeights load();

 private:
  [[nodiscard]] const arch::TensorEntry& entry(const std::string& name) const;
  void check_shape(const arch::TensorEntry& entry, const Shape& found) const;
  [[nodiscard]] HostTensor tensor(const std::string& name) const;
  [[nodiscard]] std::vector<float> floats(const std::string& name) const;
  [[nodiscard]] std::vector<float> floats_or_none(const std::string& name) const;
  [[nodiscard]] StoredMatrix matrix(const std::string& name) const;
  [[nodiscard]] NormWeights norm(const std::string& prefix) const;
  [[nodiscard]] LinearWeights linear(const std::string& prefix, ActType compute) const;
  [[nodiscard]] LinearWeights rows_of(const std::string& prefix, std::int64_t begin,
                                      std::int64_t count) const;
  [[nodiscard]] StageWeights stage(const arch::Stage& stage) const;
  [[nodiscard]] BlockWeights block(const arch::BlockSpec& block) const;
  void load_head(ModelWeights& out) const;

  const arch::EncoderSpec& stored_;
  const arch::EncoderSpec& spec_;
  arch::TensorTable table_;
  const TensorSource& source_;
  ActTypes types_;
  kernels::Isa isa_;
};

const arch::TensorEntry& Loader::entry(const std::string& name) const {
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

void Loader::check_shape(const arch::TensorEntry& entry, const Shape& found) const {
  if (found == entry.shape) return;
  throw FormatError(source_.where(), "expected {} of shape {}, found {}; import the model again",
                    entry.name, to_string(entry.shape), to_string(found));
}

HostTensor Loader::tensor(const std::string& name) const {
  const arch::TensorEntry& expected = entry(name);
  HostTensor value = read_resized(source_, stored_, spec_, name);
  check_shape(expected, value.shape());
  return value;
}

std::vector<float> Loader::floats(const std::string& name) const {
  std::vector<float> values = tensor(name).to_f32();
  require_finite(source_, name, values);
  return values;
}

std::vector<float> Loader::floats_or_none(const std::string& name) const {
  if (table_.find(name) == nullptr) return {};
  return floats(name);
}

StoredMatrix Loader::matrix(const std::string& name) const {
  const arch::TensorEntry& expected = entry(name);
  check_shape(expected, source_.info(name).shape);
  return StoredMatrix(source_, name);
}

NormWeights Loader::norm(const std::string& prefix) const {
  const bool layer = spec_.norm == arch::Norm::kLayer;
  return {.kind = layer ? kernels::NormKind::kLayer : kernels::NormKind::kRms,
          .eps = static_cast<float>(spec_.norm_eps),
          .weight = floats(prefix + ".weight"),
          .bias = floats_or_none(prefix + ".bias")};
}

LinearWeights Loader::linear(const std::string& prefix, ActType compute) const {
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

LinearWeights Loader::rows_of(const std::string& prefix, std::int64_t begin,
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

StageWeights Loader::stage(const arch::Stage& stage) const {
  StageWeights out;
  // Pixels are few and wide in range: the embedding keeps the wide type in int8 too.
  out.patch = linear(names::patch_proj(spec_, stage.index), types_.wide);
  if (spec_.patch_norm) out.patch_norm = norm(names::patch_norm(spec_, stage.index));
  if (spec_.position == arch::Position::kLearned || spec_.position == arch::Position::kSinCos) {
    const std::vector<float> rows = floats(names::position(spec_, stage.index));
    const std::int64_t stride = kernels::act_padded(ActType::kF32, stage.dim);
    const auto count = static_cast<std::int64_t>(rows.size()) / stage.dim;
    const std::int64_t skipped = spec_.position_spare_row ? 1 : 0;
    out.position.assign(static_cast<std::size_t>((count - skipped) * stride), 0.0F);
    for (std::int64_t r = skipped; r < count; ++r) {
      std::copy_n(rows.begin() + r * stage.dim, stage.dim,
                  out.position.begin() + (r - skipped) * stride);
    }
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

BlockWeights Loader::block(const arch::BlockSpec& b) const {
  BlockWeights out;
  out.norm1 = norm(b.name(names::kNorm1));
  out.norm2 = norm(b.name(names::kNorm2));
  const auto layer = [&](std::string_view name) { return linear(b.name(name), types_.input); };
  if (b.separate_queries) {
    out.q = layer(names::kQuery);
    out.kv = layer(names::kKeyValue);
    if (b.reduction > 1) {
      out.pool = linear(b.name(names::kPool), types_.wide);
      out.pool_norm = norm(b.name(names::kPoolNorm));
    }
  } else if (b.index + 1 == spec_.depth && arch::reads_one_token(spec_)) {
    out.q = rows_of(b.name(names::kQkv), 0, b.dim);
    out.kv = rows_of(b.name(names::kQkv), b.dim, 2 * b.dim);
  } else {
    out.qkv = layer(names::kQkv);
  }
  out.query_norm = floats_or_none(b.name(names::kQueryNorm) + ".weight");
  out.key_norm = floats_or_none(b.name(names::kKeyNorm) + ".weight");
  out.proj = layer(names::kProj);
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

void Loader::load_head(ModelWeights& out) const {
  if (spec_.num_classes == 0) return;
  const std::string head(names::kHead);
  out.head = linear(head, ActType::kF32);
  if (spec_.head_norm != arch::HeadNorm::kBatch) return;
  constexpr double kBatchNormEps = 1e-6;
  const std::string prefix(names::kHeadNorm);
  out.head_shift = floats(prefix + ".running_mean");
  out.head_scale = floats(prefix + ".running_var");
  for (float& value : out.head_scale) {
    value = static_cast<float>(1.0 / std::sqrt(static_cast<double>(value) + kBatchNormEps));
  }
}

ModelWeights Loader::load() {
  ModelWeights out;
  for (const arch::Stage& s : spec_.stages()) out.stages.push_back(stage(s));
  for (const arch::BlockSpec& b : arch::encoder_blocks(spec_)) {
    out.blocks.push_back(block(b));
    if (b.quantization == arch::Quantization::kLsq) {
      out.lsq.push_back(load_lsq_block(spec_, b, source_));
    }
  }
  if (spec_.has_class_token()) out.class_token = floats(std::string(names::kClassToken));
  out.final_norm = norm(std::string(names::kFinalNorm));
  load_head(out);
  return out;
}

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

ModelWeights load_weights(const arch::EncoderSpec& stored, const arch::EncoderSpec& spec,
                          const TensorSource& source, const ActTypes& types, kernels::Isa isa) {
  return Loader(stored, spec, source, types, isa).load();
}

std::int64_t size_of(const ModelWeights& weights) {
  std::int64_t sum = bytes_of(weights.class_token) + bytes_of(weights.final_norm) +
                     bytes_of(weights.head) + bytes_of(weights.head_shift) +
                     bytes_of(weights.head_scale);
  for (const StageWeights& s : weights.stages) {
    sum += bytes_of(s.patch) + bytes_of(s.patch_norm) + bytes_of(s.position) +
           bytes_of(s.conditional) + bytes_of(s.conditional_bias);
  }
  for (const BlockWeights& b : weights.blocks) sum += bytes_of(b);
  return sum;
}

}  // namespace conopa::engine

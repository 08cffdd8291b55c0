// Cases run by the native engine in float32.

#include "native.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/arch/tensor_table.h"
#include "models.h"

namespace conopa::parity {
namespace {

constexpr std::pair<const char*, const char*> kLayers[] = {{"tokens", "tokens_in"},
                                                           {"avg_features", "read_tokens"},
                                                           {"out", "final_norm"},
                                                           {"trunk_out", "final_norm"},
                                                           {"encoder_out", "final_norm"}};
constexpr int kMostBlocks = 8;

constexpr double kRowEps = 0.5;     // nearly the largest that a spec takes
constexpr double kRowScale = 1e-5;  // of rows of magnitude 1: squares of 1e-10 beside kRowEps

HostTensor scaled(const HostTensor& tensor, double factor) {
  std::vector<float> values = tensor.to_f32();
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) * factor);
  return HostTensor::of<float>(DType::kF32, tensor.shape(), values);
}

}  // namespace

engine::Model native_model(const arch::EncoderSpec& spec, const nn::Parameters& parameters) {
  return engine::Model::load(spec, engine::weights_of(parameters),
                             {.precision = engine::Precision::kFp32});
}

void compare_native_layers(const Case& c, Outcome& out, const nn::Encoder& encoder,
                           const NativeInput& input) {
  arch::EncoderSpec spec = encoder.spec();
  // Of models that average blocks the engine shows the final norm only if nothing reads blocks.
  if (c.io->contains("out" + input.suffix)) spec.read_blocks.clear();
  const engine::NativeResult result =
      engine::run_native(native_model(spec, encoder.parameters()), input.images,
                         engine::Layers::kShown, {.threads = 2, .max_batch = 2}, input.prefix);
  const auto compare = [&](const std::string& expected, const std::string& name) {
    const auto found = result.layers.find(name);
    if (!c.io->contains(expected + input.suffix) || found == result.layers.end()) return;
    out.compare(expected + input.suffix, found->second, "native");
  };
  for (const auto& [expected, name] : kLayers) compare(expected, name);
  for (int i = 0; i < kMostBlocks; ++i) {
    compare(fmt::format("block{}", i), fmt::format("block{}_out", i));
  }
}

void compare_native_patches(Outcome& out, const nn::Encoder& encoder, const at::Tensor& images,
                            const at::Tensor& prefix) {
  const arch::EncoderSpec& spec = encoder.spec();
  const engine::Model model =
      engine::Model::load(spec, engine::weights_of(encoder.parameters()),
                          {.precision = engine::Precision::kFp32, .decoder = true});
  engine::Session session(model, {.threads = 2, .max_batch = 2});
  const std::int64_t batch = images.size(0);
  std::vector<float> patches(
      static_cast<std::size_t>(batch * spec.num_tokens() * spec.patch_outputs()));
  session.predict_patches(nn::floats(images), batch,
                          {prefix.data_ptr<std::int64_t>(), static_cast<std::size_t>(batch)},
                          patches);
  out.compare("preds", patches, "native");
}

RowsModel::RowsModel(const HostTensor& rows) : sequences_(rows.shape().at(0)) {
  spec = arch::preset_spec("aimv2_lit_text");
  spec.vocabulary = sequences_ * rows.shape().at(1);
  spec.end_token = 0;
  spec.width = rows.shape().at(1);
  spec.dim = rows.shape().at(2);
  spec.depth = 1;
  spec.mlp_hidden = spec.dim;
  spec.mask = arch::Mask::kBidirectional;
  spec.position = arch::Position::kNone;
  spec.read_out = arch::ReadOut::kMean;
  spec.projection = 0;
  tensors[std::string(arch::names::kTokenEmbed) + ".weight"] =
      HostTensor::of<float>(DType::kF32, {spec.vocabulary, spec.dim}, rows.to_f32());
  tensors[arch::names::block(0, arch::names::kDown) + ".weight"] =
      HostTensor::zeros(DType::kF32, {spec.dim, spec.mlp_hidden});
}

engine::NativeResult RowsModel::run() const {
  arch::EncoderSpec resolved = spec;
  resolved.resolve();
  std::vector<NamedTensor> weights;
  const arch::TensorTable table(resolved);
  for (const arch::TensorEntry& entry : table.entries()) {
    const auto given = tensors.find(entry.name);
    weights.push_back(
        {entry.name, given == tensors.end() ? arch::initial_tensor(entry, 0) : given->second});
  }
  const engine::Model model = engine::Model::load(resolved, MemorySource(std::move(weights)),
                                                  {.precision = engine::Precision::kFp32});
  std::vector<std::int64_t> words(static_cast<std::size_t>(resolved.vocabulary));
  std::iota(words.begin(), words.end(), std::int64_t{0});
  const at::Tensor ids =
      nn::to_torch(HostTensor::of<std::int64_t>(DType::kI64, {sequences_, resolved.width}, words));
  return engine::run_native(model, ids, engine::Layers::kShown);
}

std::vector<float> native_attention(const HostTensor& rows,
                                    const std::function<void(arch::EncoderSpec&)>& describe,
                                    const std::map<std::string, HostTensor>& layer) {
  const HostTensor small = scaled(rows, kRowScale);
  RowsModel model(small);
  describe(model.spec);
  model.spec.norm_eps = kRowEps;
  const std::string norm = arch::names::block(0, arch::names::kNorm1) + ".weight";
  const std::vector<float> weight(static_cast<std::size_t>(model.spec.dim),
                                  static_cast<float>(std::sqrt(kRowEps) / kRowScale));
  model.tensors[norm] = HostTensor::of<float>(DType::kF32, {model.spec.dim}, weight);
  for (const auto& [name, value] : layer) {
    model.tensors[arch::names::block(0, "attn.") + name] = value;
  }
  std::vector<float> out = model.run().layers.at("block0_out");
  const std::vector<float> residual = small.to_f32();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] -= residual[i];
  return out;
}

}  // namespace conopa::parity

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <c10/core/GradMode.h>

#include "checkers.h"
#include "conopa/arch/registry.h"
#include "conopa/llm/frozen.h"
#include "conopa/llm/source.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/language_block.h"
#include "conopa/train/adamw.h"
#include "models.h"

namespace conopa::parity {
namespace {

void set_language_model(arch::LanguageBlock& llm, const nlohmann::json& config) {
  llm.unit = arch::LanguageUnit::kBlock;
  llm.dim = config.at("dim");
  llm.heads = config.at("n_heads");
  llm.multiple_of = config.at("multiple_of");
  llm.norm_eps = config.at("norm_eps");
  llm.depth =
      config.at("n_layers").get<std::int64_t>() - config.at("first_layer").get<std::int64_t>();
}

arch::EncoderSpec image_spec(const Case& c) {
  arch::EncoderSpec spec = arch::family("lm4v").make("");
  const nlohmann::json args = c.args();
  spec.dim = args.at("embed_dim");
  spec.depth = args.at("depth");
  spec.heads = args.at("num_heads");
  spec.patch = args.at("patch_size");
  spec.num_classes = args.at("num_classes");
  spec.mlp_ratio = args.value("mlp_ratio", 4.0);
  spec.qkv_bias = args.value("qkv_bias", true);
  set_image_size(spec, args.at("img_size"));
  spec.position_class_row = !args.value("no_embed_class", false);
  if (args.value("global_pool", "token") == "avg") spec.read_out = arch::ReadOut::kPatchMeanNorm;
  if (args.value("init_values", 0.0) > 0.0) spec.layer_scale = args["init_values"];
  set_language_model(spec.llm, c.json.at("builder").at("llama_configs"));
  spec.resolve();
  return spec;
}

std::string_view scheme_of(const arch::EncoderSpec& spec) {
  return spec.read_out == arch::ReadOut::kPatchMeanNorm ? "official_pool" : "official";
}

void compare_if_given(const Case& c, Outcome& out, const std::string& name, const at::Tensor& x) {
  if (c.io->contains(name)) out.compare(name, values(x));
}

// The official names of what a pass captures.
void compare_captured(const Case& c, Outcome& out, const arch::EncoderSpec& spec,
                      const nn::Capture& capture) {
  compare_if_given(c, out, "patch_embed", capture.at("patch_embed"));
  compare_if_given(c, out, "pos_embed", capture.at("tokens_in"));
  for (std::int64_t i = 0; i < spec.depth; ++i) {
    compare_if_given(c, out, fmt::format("block{}", i), capture.at(fmt::format("block{}_out", i)));
  }
  compare_if_given(c, out, "mapper1", capture.at("llm_mapper1"));
  at::Tensor in = capture.at("llm_mapper1");
  for (std::int64_t j = 0; j < spec.llm.depth; ++j) {
    const std::string layer = fmt::format("llm_layer{}", j);
    const std::string official = fmt::format("llama_layer{}", j);
    compare_if_given(c, out, official + "_after_attn", in + capture.at(layer + "_attn_out"));
    in = capture.at(layer + "_out");
    compare_if_given(c, out, official + "_out", in);
  }
  compare_if_given(c, out, "llama_normed", capture.at("llm_norm"));
  compare_if_given(c, out, "mapper2", capture.at("llm_mapper2"));
  const auto normed = capture.find("final_norm");
  compare_if_given(c, out, "final_norm",
                   normed == capture.end() ? capture.at("llm_mapper2") : normed->second);
}

// The exact short form, the plain form, and the engine.
void check_forward(const Case& c, Outcome& out, const nn::Encoder& encoder) {
  const at::Tensor image = tensor(c, "image");
  for (const OpsVariant& variant : kOpsVariants) {
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    out.compare("logits", values(encoder.forward(image, options).logits), variant.name);
    nn::Capture capture;
    options.capture = &capture;
    out.compare("logits", values(encoder.forward(image, options).logits), variant.name);
    compare_captured(c, out, encoder.spec(), capture);
  }
  compare_native(c, out, encoder, image);
}

void load_language_model(nn::Parameters& parameters, const arch::EncoderSpec& spec,
                         const llm::FrozenRecord& record) {
  const llm::LmTensors tensors = llm::read_frozen(record, spec);
  const auto get = [&tensors](const std::string& name) -> std::optional<HostTensor> {
    const auto found = tensors.find(name);
    if (found == tensors.end()) return std::nullopt;
    return found->second;
  };
  static_cast<void>(parameters.load(get, nn::LoadPolicy::kPartial, record.source));
}

// One step as the case describes it, compared as a change.
void compare_step(const Case& c, Outcome& out, nn::Encoder& encoder, std::string_view variant) {
  constexpr double kLr = 1e-3;
  constexpr double kDecay = 0.05;
  const auto before = encoder.parameters().to_host();
  train::AdamW(encoder.parameters(), {}).step(kLr, kDecay, 1.0);
  for (std::size_t i = 0; i < encoder.parameters().size(); ++i) {
    const arch::TensorEntry& entry = encoder.parameters().table().entries()[i];
    const std::string name =
        "step_delta." + encoder.parameters().table().foreign_name(entry.name, "official");
    if (!c.io->contains(name)) continue;
    const at::Tensor change =
        encoder.parameters().tensors()[i].detach() - nn::to_torch(before.at(entry.name));
    out.compare(name, values(change), variant);
  }
}

}  // namespace

void check_vit_llama(const Case& c, Outcome& out) {
  const arch::EncoderSpec spec = image_spec(c);
  if (!c.json.contains("llama_layers")) {
    check_forward(c, out, load_encoder(c, spec, scheme_of(spec)));
    return;
  }
  for (const char* form : {"llama_meta", "llama_hf"}) {
    if (!c.json.contains(form)) continue;
    nn::Encoder encoder(spec);
    encoder.parameters().initialize(0);
    load_present_weights(c, encoder.parameters(), scheme_of(spec));
    load_language_model(encoder.parameters(), spec,
                        {.source = (c.folder / c.json[form].get<std::string>()).string(),
                         .layers = c.json["llama_layers"].get<std::vector<std::int64_t>>()});
    check_forward(c, out, encoder);
  }
}

// The block alone: mappers that change nothing, no norm behind.
void check_opt_block(const Case& c, Outcome& out) {
  const llm::LmSource source = llm::LmSource::open(c.folder / "weights.pth");
  arch::EncoderSpec spec = arch::family("lm4v").make("");
  llm::take_shape(source.config(), 1, spec.llm);
  spec.dim = spec.llm.dim;
  spec.heads = 1;
  spec.resolve();
  nn::Parameters parameters{arch::TensorTable(spec)};
  parameters.initialize(0);
  {
    const at::NoGradGuard no_grad;
    for (const auto mapper : {arch::names::kLanguageIn, arch::names::kLanguageOut}) {
      parameters.require(std::string(mapper) + ".weight").copy_(at::eye(spec.dim));
    }
  }
  load_language_model(
      parameters, spec,
      {.source = (c.folder / "weights.pth").string(), .layers = {c.json.at("layer")}});
  const at::Tensor mask = nn::to_torch(c.io->read("mask")).to(at::kBool);
  for (const OpsVariant& variant : kOpsVariants) {
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    const at::Tensor x = tensor(c, "x");
    out.compare("y", values(nn::language_block(spec, parameters, x, options)), variant.name);
    options.keys_seen = mask;
    const at::Tensor masked = nn::language_block(spec, parameters, x, options);
    out.compare("y_masked", values(masked * mask.unsqueeze(2).to(at::kFloat)), variant.name);
  }
}

void check_vit_llama_gradients(const Case& c, Outcome& out) {
  const arch::EncoderSpec spec = image_spec(c);
  for (const OpsVariant& variant : kOpsVariants) {
    for (const bool plain : {false, true}) {  // the short form has no gradients inside
      nn::Encoder encoder = load_encoder(c, spec, scheme_of(spec));
      nn::Capture capture;
      nn::ForwardOptions options;
      options.training = true;
      options.exec.ops = variant.ops;
      if (plain) options.capture = &capture;
      options.capture_gradients = true;
      const at::Tensor image = tensor(c, "image").set_requires_grad(true);
      const at::Tensor logits = encoder.forward(image, options).logits;
      const at::Tensor loss =
          nn::soft_target_cross_entropy(logits, tensor(c, "target"), options.exec);
      loss.backward();
      out.compare("logits", values(logits), variant.name);
      out.compare("loss", values(loss), variant.name);
      out.compare("grad.image", values(image.grad()), variant.name);
      if (plain) {
        out.compare("grad_act.mapper1", values(capture.at("llm_mapper1").grad()), variant.name);
        out.compare("grad_act.llama", values(capture.at("llm_norm").grad()), variant.name);
      }
      compare_parameters(c, out, encoder.parameters(), scheme_of(spec), "grad.", true,
                         variant.name);
      for (const auto& frozen : c.json.value("frozen_parameters", nlohmann::json::array())) {
        const auto has = c.io->contains("grad." + frozen.get<std::string>());
        if (has) throw std::logic_error("the case gives a gradient of a frozen tensor");
      }
      compare_step(c, out, encoder, variant.name);
    }
  }
}

void check_language_padding(const Case& c, Outcome& out) {
  const at::Tensor z = tensor(c, "z");
  const at::Tensor mask = nn::to_torch(c.io->read("mask")).to(at::kBool);
  arch::EncoderSpec spec = arch::family("lm4v").make("");
  spec.dim = z.size(2);
  spec.heads = 1;
  set_language_model(spec.llm, c.json.at("builder").at("llama_configs"));
  spec.resolve();
  nn::Parameters parameters{arch::TensorTable(spec)};
  parameters.initialize(0);
  load_present_weights(c, parameters, "official");
  for (const OpsVariant& variant : kOpsVariants) {
    nn::Capture capture;
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    options.keys_seen = mask;
    options.capture = &capture;
    const at::Tensor y = nn::language_block(spec, parameters, z, options);
    const at::Tensor valid = mask.unsqueeze(2).to(at::kFloat);
    out.compare("out", values(y * valid), variant.name);
    out.compare("llama_normed", values(capture.at("llm_norm") * valid), variant.name);
  }
}

}  // namespace conopa::parity

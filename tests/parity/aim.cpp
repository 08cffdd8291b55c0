// AIM and AIMv2 encoders: forward passes, prefixes, gradients, native resolution, zero-shot pair.

#include "aim.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "checkers.h"
#include "conopa/io/checkpoint.h"
#include "conopa/nn/convert.h"
#include "models.h"
#include "tests/engine/native_model.h"

namespace conopa::parity {

arch::EncoderSpec at_size(arch::EncoderSpec spec, std::int64_t height, std::int64_t width) {
  spec.height = height;
  spec.width = width;
  spec.resolve();
  return spec;
}

arch::InferredModel aim_model(const Case& c) {
  const auto file = open_checkpoint(c.folder / "weights.pth");
  arch::TensorIndex index;
  for (const std::string& name : file->names()) index.emplace(name, file->info(name).shape);
  arch::InferredModel model = arch::infer_model(index, c.name);
  const nlohmann::json args = c.args();
  const auto number = [&](const char* a, const char* b) {
    return args.value(a, args.value(b, std::int64_t{0}));
  };
  if (const auto heads = number("num_heads", "vision_num_heads"); heads > 0) {
    model.spec.heads = heads;
  }
  if (args.contains("vision_heads")) model.spec.heads = args.at("vision_heads");
  if (args.contains("text_heads")) model.spec.decoder_heads = args.at("text_heads");
  for (const char* key : {"img_size", "image"}) {
    if (args.contains(key)) set_image_size(model.spec, args.at(key));
  }
  if (args.contains("probe_layers")) {
    const auto& layers = args.at("probe_layers");
    model.spec.read_blocks.clear();
    if (layers.is_array()) {
      model.spec.read_blocks = layers.get<std::vector<std::int64_t>>();
    } else {
      const auto count = layers.get<std::int64_t>();
      for (std::int64_t i = 0; i < count; ++i) {
        model.spec.read_blocks.push_back(model.spec.depth - count + i);
      }
    }
  }
  model.spec.resolve();
  return model;
}

namespace {

// Compares every layer that the case names.
void compare_layers(const Case& c, Outcome& out, const nn::Capture& layers,
                    const std::string& suffix, std::string_view variant) {
  const auto compare = [&](const std::string& expected, const std::string& name) {
    if (!c.io->contains(expected + suffix) || !layers.contains(name)) return;
    out.compare(expected + suffix, values(layers.at(name)), variant);
  };
  compare("patch_tokens", "patch_embed");
  compare("tokens", "tokens_in");
  compare("avg_features", "read_tokens");
  compare("out", "final_norm");
  for (int i = 0; i < 8; ++i) {
    compare(fmt::format("block{}", i), fmt::format("block{}_out", i));
  }
}

// Native layers of a bidirectional pass.
void compare_native_layers(const Case& c, Outcome& out, const nn::Encoder& encoder,
                           const at::Tensor& image, const std::string& suffix) {
  const engine::Model model = engine::Model::load(encoder.spec(), engine::weights_of(encoder),
                                                  {.precision = engine::Precision::kFp32});
  const engine::NativeResult result = engine::run_native(model, image, engine::Layers::kShown);
  const auto compare = [&](const std::string& expected, const std::string& name) {
    const auto found = result.layers.find(name);
    if (!c.io->contains(expected + suffix) || found == result.layers.end()) return;
    out.compare(expected + suffix, found->second, "native");
  };
  compare("tokens", "tokens_in");
  compare("out", "final_norm");
  for (int i = 0; i < 8; ++i) {
    compare(fmt::format("block{}", i), fmt::format("block{}_out", i));
  }
}

void compare_position(const Case& c, Outcome& out, const nn::Capture& layers) {
  if (!c.io->contains("pos_embed")) return;
  const at::Tensor added = layers.at("tokens_in") - layers.at("patch_embed");
  out.compare("pos_embed", values(added.select(0, 0)));
}

// q/k/v and patch gradients under the short names of one case.
void compare_short_gradients(const Case& c, Outcome& out, const nn::Parameters& parameters,
                             std::string_view variant) {
  const std::pair<const char*, std::string> names[] = {
      {"grad_qkv0", arch::names::block(0, arch::names::kQkv) + ".weight"},
      {"grad_patch_proj", std::string(arch::names::kPatchWeight)}};
  for (const auto& [expected, name] : names) {
    if (c.io->contains(expected)) {
      out.compare(expected, values(parameters.require(name).grad()), variant);
    }
  }
}

}  // namespace

void check_aim_probe(const Case& c, Outcome& out) {
  const arch::InferredModel model = aim_model(c);
  const nn::Encoder encoder = load_encoder(c, model.spec, model.scheme);
  const at::Tensor image = tensor(c, "image");
  for (const OpsVariant& variant : kOpsVariants) {
    for (const bool captured : {true, false}) {
      nn::Capture layers;
      nn::ForwardOptions options;
      options.exec.ops = variant.ops;
      if (captured) options.capture = &layers;
      const nn::ForwardResult result = encoder.forward(image, options);
      out.compare("logits", values(result.logits), variant.name);
      if (!captured) continue;
      compare_layers(c, out, layers, "", variant.name);
      compare_position(c, out, layers);
    }
  }
  compare_native(c, out, encoder, image);
  compare_native_layers(c, out, encoder, image, "");
}

void check_aim_encoder(const Case& c, Outcome& out) {
  arch::InferredModel model = aim_model(c);
  const bool masked = c.io->contains("prefix_len");
  if (masked) model.spec.mask = arch::Mask::kPrefixCausal;
  for (const OpsVariant& variant : kOpsVariants) {
    nn::Encoder encoder = load_encoder(c, model.spec, model.scheme);
    at::Tensor image = tensor(c, "image").requires_grad_();
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    if (masked) options.prefix = nn::to_torch(c.io->read("prefix_len"), at::kLong);
    nn::Capture layers;
    options.capture = &layers;
    static_cast<void>(encoder.encode(image, options));
    compare_layers(c, out, layers, "", variant.name);
    if (c.io->contains("attn_mask")) {
      const at::Tensor seen = layers.at("block0_attn_map").gt(0).any(1, true);
      out.compare("attn_mask", values(seen), variant.name);
    }
    options.capture = nullptr;
    const at::Tensor y = encoder.encode(image, options);
    out.compare("out", values(y), variant.name);
    (y * tensor(c, "cotangent")).sum().backward();
    out.compare("grad_image", values(image.grad()), variant.name);
    compare_parameters(c, out, encoder.parameters(), model.scheme, "grad.", true, variant.name);
    compare_short_gradients(c, out, encoder.parameters(), variant.name);
    if (!masked) compare_native_layers(c, out, encoder, image.detach(), "");
  }
}

void check_aim_native(const Case& c, Outcome& out) {
  const arch::InferredModel model = aim_model(c);
  for (int i = 0; c.io->contains(fmt::format("image{}", i)); ++i) {
    const at::Tensor image = tensor(c, fmt::format("image{}", i));
    const std::string suffix = fmt::format("_{}", i);
    const nn::Encoder encoder =
        load_encoder(c, at_size(model.spec, image.size(2), image.size(3)), model.scheme);
    for (const OpsVariant& variant : kOpsVariants) {
      nn::Capture layers;
      nn::ForwardOptions options;
      options.exec.ops = variant.ops;
      options.capture = &layers;
      static_cast<void>(encoder.encode(image, options));
      compare_layers(c, out, layers, suffix, variant.name);
    }
    compare_native_layers(c, out, encoder, image, suffix);
  }
}

void check_aim_pair(const Case& c, Outcome& out) {
  const arch::InferredModel image_model = aim_model(c);
  const nlohmann::json args = c.args();
  arch::EncoderSpec text_spec = arch::preset_spec("aimv2_lit_text");
  text_spec.vocabulary = args.at("vocab_size");
  text_spec.end_token = args.at("eos_token_id");
  text_spec.width = args.at("max_context_length");
  text_spec.dim = args.at("text_embed_dim");
  text_spec.depth = args.at("text_num_blocks");
  text_spec.heads = args.at("text_num_heads");
  text_spec.mlp_hidden = args.at("text_mlp_embed_dim");
  text_spec.projection = args.at("projection_dim");
  text_spec.resolve();
  const nn::Encoder image = load_encoder(c, image_model.spec, image_model.scheme);
  const nn::Encoder text = load_encoder(c, text_spec, image_model.scheme);
  // Shorter sequences are filled up; a causal tower cannot see the filling.
  const at::Tensor given = nn::to_torch(c.io->read("input_ids"), at::kLong);
  const at::Tensor ids =
      at::constant_pad_nd(given, {0, text_spec.width - given.size(1)}, text_spec.end_token);
  for (const OpsVariant& variant : kOpsVariants) {
    nn::Capture layers;
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    const nn::ForwardResult seen = image.forward(tensor(c, "image"), options);
    options.capture = &layers;
    const nn::ForwardResult read = text.forward(ids, options);
    out.compare("image_embed", values(seen.logits), variant.name);
    out.compare("text_embed", values(read.logits), variant.name);
    out.compare("text_pooled", values(read.features), variant.name);
    const at::Tensor trunk = layers.at("final_norm").narrow(1, 0, given.size(1));
    out.compare("text_trunk_out", values(trunk.contiguous()), variant.name);
    arch::EncoderSpec headed = image_model.spec;
    headed.projection = 0;
    headed.resolve();
    nn::Encoder pooled(headed);
    load_present_weights(c, pooled.parameters(), image_model.scheme);
    out.compare("image_pooled", values(pooled.forward(tensor(c, "image"), {}).logits),
                variant.name);
    const auto unit = [](const at::Tensor& x) {
      return x / at::linalg_vector_norm(x, 2, at::IntArrayRef({1}), true);
    };
    const auto file = open_checkpoint(c.folder / "weights.pth");
    const double stored = file->read("log_logit_scale").to_f64().front();
    const double scale = std::exp(std::clamp(stored, 0.0, std::log(100.0)));
    const at::Tensor logits = at::matmul(unit(seen.logits), unit(read.logits).t()) * scale;
    out.compare("logits_per_image", values(logits), variant.name);
    out.compare("logits_per_text", values(logits.t().contiguous()), variant.name);
  }
}

}  // namespace conopa::parity

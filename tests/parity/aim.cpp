// AIM and AIMv2 encoders: forward passes, prefixes, gradients, native resolution, zero-shot pair.

#include "aim.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>

#include <fmt/format.h>

#include "checkers.h"
#include "conopa/eval/zero_shot.h"
#include "conopa/io/checkpoint.h"
#include "conopa/nn/convert.h"
#include "models.h"
#include "native.h"

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
  compare_native_layers(c, out, encoder, {.images = image});
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
    compare_native_layers(c, out, encoder, {.images = image.detach(), .prefix = options.prefix});
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
    compare_native_layers(c, out, encoder, {.images = image, .suffix = suffix});
  }
}

namespace {

/// The towers of a zero-shot pair with a case's weights.
struct Pair {
  nn::Encoder image;
  nn::Encoder pooled;  ///< the image tower without its projection
  nn::Encoder text;
  at::Tensor ids;        ///< [K, width], filled up: a causal tower cannot see the filling
  std::int64_t words{};  ///< of a text in the case
  double scale = 0.0;
};

arch::EncoderSpec text_spec(const nlohmann::json& args) {
  arch::EncoderSpec spec = arch::preset_spec("aimv2_lit_text");
  spec.vocabulary = args.at("vocab_size");
  spec.end_token = args.at("eos_token_id");
  spec.width = args.at("max_context_length");
  spec.dim = args.at("text_embed_dim");
  spec.depth = args.at("text_num_blocks");
  spec.heads = args.at("text_num_heads");
  spec.mlp_hidden = args.at("text_mlp_embed_dim");
  spec.projection = args.at("projection_dim");
  spec.resolve();
  return spec;
}

Pair load_pair(const Case& c) {
  const arch::InferredModel model = aim_model(c);
  const arch::EncoderSpec words = text_spec(c.args());
  arch::EncoderSpec headed = model.spec;
  headed.projection = 0;
  headed.resolve();
  const at::Tensor given = nn::to_torch(c.io->read("input_ids"), at::kLong);
  const auto file = open_checkpoint(c.folder / "weights.pth");
  Pair pair{.image = load_encoder(c, model.spec, model.scheme),
            .pooled = nn::Encoder(headed),
            .text = load_encoder(c, words, model.scheme),
            .ids = at::constant_pad_nd(given, {0, words.width - given.size(1)}, words.end_token),
            .words = given.size(1),
            .scale = eval::similarity_scale(file->read("log_logit_scale").to_f64().front())};
  load_present_weights(c, pair.pooled.parameters(), model.scheme);
  return pair;
}

void compare_pair_torch(const Case& c, Outcome& out, const Pair& pair, const OpsVariant& variant) {
  nn::Capture layers;
  nn::ForwardOptions options;
  options.exec.ops = variant.ops;
  const at::Tensor image = tensor(c, "image");
  const nn::ForwardResult seen = pair.image.forward(image, options);
  out.compare("image_pooled", values(pair.pooled.forward(image, options).logits), variant.name);
  options.capture = &layers;
  const nn::ForwardResult read = pair.text.forward(pair.ids, options);
  out.compare("image_embed", values(seen.logits), variant.name);
  out.compare("text_embed", values(read.logits), variant.name);
  out.compare("text_pooled", values(read.features), variant.name);
  const at::Tensor trunk = layers.at("final_norm").narrow(1, 0, pair.words);
  out.compare("text_trunk_out", values(trunk.contiguous()), variant.name);
  const auto unit = [](const at::Tensor& x) {
    return x / at::linalg_vector_norm(x, 2, at::IntArrayRef({1}), true);
  };
  const at::Tensor logits = at::matmul(unit(seen.logits), unit(read.logits).t()) * pair.scale;
  out.compare("logits_per_image", values(logits), variant.name);
  out.compare("logits_per_text", values(logits.t().contiguous()), variant.name);
}

// Everything as `conopa zeroshot` does it: towers in the native engine, classes of one text each.
void compare_pair_native(const Case& c, Outcome& out, const Pair& pair) {
  const auto run = [](const nn::Encoder& encoder, const at::Tensor& inputs) {
    return engine::run_native(native_model(encoder.spec(), encoder.parameters()), inputs,
                              engine::Layers::kShown);
  };
  const at::Tensor image = tensor(c, "image");
  const engine::NativeResult seen = run(pair.image, image);
  const engine::NativeResult read = run(pair.text, pair.ids);
  out.compare("image_pooled", run(pair.pooled, image).logits, "native");
  out.compare("image_embed", seen.logits, "native");
  out.compare("text_embed", read.logits, "native");
  out.compare("text_pooled", read.features, "native");
  const arch::EncoderSpec& spec = pair.text.spec();
  const std::int64_t texts = pair.ids.size(0);
  const at::Tensor trunk = nn::to_torch(HostTensor::of<float>(
      DType::kF32, {texts, spec.width, spec.dim}, read.layers.at("final_norm")));
  out.compare("text_trunk_out", values(trunk.narrow(1, 0, pair.words).contiguous()), "native");
  const auto width = static_cast<std::size_t>(spec.projection);
  eval::ClassTexts classes(texts, spec.projection);
  for (std::int64_t k = 0; k < texts; ++k) {
    classes.add(k, std::span(read.logits).subspan(static_cast<std::size_t>(k) * width, width));
  }
  const std::vector<float> logits =
      eval::similarity_logits(seen.logits, classes.unit_rows(), spec.projection, pair.scale);
  out.compare("logits_per_image", logits, "native");
  const at::Tensor per_image =
      nn::to_torch(HostTensor::of<float>(DType::kF32, {image.size(0), texts}, logits));
  out.compare("logits_per_text", values(per_image.t().contiguous()), "native");
}

}  // namespace

void check_aim_pair(const Case& c, Outcome& out) {
  const Pair pair = load_pair(c);
  for (const OpsVariant& variant : kOpsVariants) compare_pair_torch(c, out, pair, variant);
  compare_pair_native(c, out, pair);
}

}  // namespace conopa::parity

// Pre-training of AIM and AIMv2: predictions, losses, gradients, optimiser steps.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>

#include "aim.h"
#include "checkers.h"
#include "conopa/nn/autoregressor.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/next_patch.h"
#include "conopa/nn/patch_pixels.h"
#include "conopa/train/adamw.h"
#include "conopa/train/gradients.h"
#include "conopa/train/schedule.h"
#include "models.h"
#include "native.h"

namespace conopa::parity {
namespace {

at::Tensor targets_of(const at::Tensor& image, const arch::EncoderSpec& spec) {
  return nn::next_patch_targets(nn::patch_pixels(image, spec.patch), nn::PatchTarget::kNormalised);
}

at::Tensor prefixes(const Case& c) { return nn::to_torch(c.io->read("prefix_len"), at::kLong); }

void compare_inner(const Case& c, Outcome& out, const nn::Capture& layers,
                   const nn::Prediction& prediction, const at::Tensor& targets,
                   std::string_view variant) {
  const auto compare = [&](const std::string& expected, const at::Tensor& value) {
    if (c.io->contains(expected)) out.compare(expected, values(value.contiguous()), variant);
  };
  compare("tokens", layers.at("tokens_in"));
  compare("block0", layers.at("block0_out"));
  compare("trunk_out", prediction.latent);
  compare("head_in", layers.at("decoder_in"));
  compare("head_block0", layers.at("decoder_block0_out"));
  compare("targets", targets);
  const at::Tensor error = prediction.patches.slice(1, 0, -1) - targets.slice(1, 1);
  compare("patch_loss", error.square().mean(2));
}

}  // namespace

void check_aim_pretraining(const Case& c, Outcome& out) {
  const arch::InferredModel model = aim_model(c);
  const at::Tensor image = tensor(c, "image");
  const at::Tensor targets = targets_of(image, model.spec);
  for (const OpsVariant& variant : kOpsVariants) {
    for (const bool checkpointed : {false, true}) {
      nn::Autoregressor net(load_encoder(c, model.spec, model.scheme));
      nn::ForwardOptions options;
      options.exec.ops = variant.ops;
      options.prefix = prefixes(c);
      nn::Capture layers;
      options.capture = &layers;
      compare_inner(c, out, layers, net.predict(image, {}, options), targets, variant.name);
      options.capture = nullptr;
      options.training = true;
      options.checkpoint_blocks = checkpointed;
      const nn::Prediction prediction = net.predict(image, {}, options);
      const at::Tensor loss = nn::next_patch_error(prediction.patches, targets, options.prefix);
      loss.backward();
      out.compare("preds", values(prediction.patches), variant.name);
      out.compare("loss", values(loss), variant.name);
      compare_parameters(c, out, net.parameters(), model.scheme, "grad.", true, variant.name);
    }
  }
  const nn::Encoder encoder = load_encoder(c, model.spec, model.scheme);
  compare_native_layers(c, out, encoder, {.images = image, .prefix = prefixes(c)});
  compare_native_patches(out, encoder, image, prefixes(c));
}

void check_aim_captions(const Case& c, Outcome& out) {
  const arch::InferredModel model = aim_model(c);
  const at::Tensor image = tensor(c, "image");
  const at::Tensor words = nn::to_torch(c.io->read("text"), at::kLong);
  const auto pad = c.args().at("pad_token").get<std::int64_t>();
  const auto weights = c.args().at("loss_weights").get<std::vector<double>>();
  for (const OpsVariant& variant : kOpsVariants) {
    nn::Autoregressor net(load_encoder(c, model.spec, model.scheme));
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    options.training = true;
    options.prefix = prefixes(c);
    const nn::Prediction prediction = net.predict(image, words, options);
    const at::Tensor pixel =
        nn::next_patch_error(prediction.patches, targets_of(image, model.spec), options.prefix);
    const at::Tensor logits = prediction.words.narrow(1, 0, words.size(1));
    const at::Tensor text = at::cross_entropy_loss(logits.reshape({-1, logits.size(2)}),
                                                   words.reshape({-1}), {}, 1, pad);
    const at::Tensor loss = pixel * weights.at(0) + text * weights.at(1);
    loss.backward();
    out.compare("encoder_out", values(prediction.latent), variant.name);
    out.compare("image_preds", values(prediction.patches), variant.name);
    out.compare("text_logits", values(prediction.words), variant.name);
    out.compare("image_loss", values(pixel), variant.name);
    out.compare("text_loss", values(text), variant.name);
    out.compare("loss", values(loss), variant.name);
    compare_parameters(c, out, net.parameters(), model.scheme, "grad.", true, variant.name);
  }
  // The engine runs the encoder; captioning decoders run with libtorch alone.
  compare_native_layers(c, out, load_encoder(c, model.spec, model.scheme),
                        {.images = image, .prefix = prefixes(c)});
}

void check_aim_steps(const Case& c, Outcome& out) {
  const arch::InferredModel model = aim_model(c);
  const nlohmann::json args = c.args();
  const at::Tensor images = tensor(c, "images");
  const at::Tensor prefix = prefixes(c);
  const std::vector<double> lrs = train::lr_schedule({.mode = train::LrMode::kFraction,
                                                      .peak = args.at("lr"),
                                                      .warmup = {.epochs = 2, .start = 1e-6}},
                                                     80, 1);
  train::OptimOptions optim;
  optim.betas = args.at("betas").get<std::vector<double>>();
  optim.eps = args.at("eps");
  for (const OpsVariant& variant : kOpsVariants) {
    nn::Autoregressor net(load_encoder(c, model.spec, model.scheme));
    train::AdamW optimizer(net.parameters(), optim);
    std::vector<double> losses;
    std::vector<double> norms;
    const auto loss_of = [&](std::int64_t batch) {
      nn::ForwardOptions options;
      options.exec.ops = variant.ops;
      options.training = true;
      options.prefix = prefix.select(0, batch).contiguous();
      const at::Tensor image = images.select(0, batch).contiguous();
      return nn::next_patch_error(net.predict(image, {}, options).patches,
                                  targets_of(image, model.spec), options.prefix);
    };
    const auto steps = static_cast<std::size_t>(images.size(0));
    for (std::size_t s = 0; s < steps; ++s) {
      const at::Tensor loss = loss_of(static_cast<std::int64_t>(s));
      losses.push_back(loss.item<double>());
      loss.backward();
      norms.push_back(train::gradient_norm(net.parameters()).item<double>());
      optimizer.step(lrs[s], args.at("weight_decay"),
                     train::clip_factor(norms.back(), args.at("grad_clip")));
      net.parameters().zero_grad();
    }
    const std::vector<double> used(lrs.begin(), lrs.begin() + static_cast<std::ptrdiff_t>(steps));
    out.compare("lrs", std::span<const double>(used), variant.name);
    out.compare("losses", std::span<const double>(losses), variant.name);
    out.compare("grad_norms", std::span<const double>(norms), variant.name);
    out.compare("final_loss_on_batch0", values(loss_of(0)), variant.name);
    compare_parameters(c, out, net.parameters(), model.scheme, "after.", false, variant.name);
  }
}

}  // namespace conopa::parity

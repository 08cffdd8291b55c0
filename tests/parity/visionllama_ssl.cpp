// Masked auto-encoding and the linear probe on top of it.

#include <ATen/TensorOperators.h>

#include "checkers.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/probe_norm.h"
#include "conopa/tasks/mae.h"
#include "conopa/train/lars.h"
#include "conopa/train/trainable.h"
#include "models.h"
#include "visionllama.h"

namespace conopa::parity {
namespace {

constexpr std::string_view kMaeScheme = "mmpretrain_mae";
constexpr std::string_view kProbeScheme = "mmpretrain_probe";

tasks::MaeOptions mae_options(const nlohmann::json& args) {
  return {.mask_ratio = args.at("backbone").value("mask_ratio", 0.75),
          .norm_pix = args.at("head").value("norm_pix", true)};
}

void compare_pass(Outcome& out, const tasks::MaeTask::Pass& pass, std::string_view variant) {
  out.compare("loss", values(pass.loss), variant);
  out.compare("mask", values(pass.mask.removed), variant);
  out.compare("pred", values(pass.prediction), variant);
  out.compare("inter.latent", values(pass.latent), variant);
  out.compare("inter.target", values(pass.target), variant);
  out.compare_integers("inter.ids_restore", nn::to_host(pass.mask.restore).to_i64());
}

void compare_inner(Outcome& out, const nn::Capture& capture, std::string_view variant) {
  out.compare("inter.patch_embed", values(capture.at("patch_embed")), variant);
  out.compare("inter.block0", values(capture.at("block0_out")), variant);
  out.compare("inter.decoder_block0", values(capture.at("decoder_block0_out")), variant);
}

// A model whose head alone the case describes; its encoder plays no part.
arch::EncoderSpec probe_spec(const nlohmann::json& args) {
  arch::EncoderSpec spec;
  spec.family = "visionllama";
  spec.dim = args.at("features");
  spec.depth = 1;
  spec.heads = 1;
  spec.class_token = arch::ClassToken::kNone;
  spec.read_out = arch::ReadOut::kMeanNorm;
  spec.mask = arch::Mask::kBidirectional;
  spec.num_classes = args.at("num_classes");
  spec.head_norm = arch::HeadNorm::kBatch;
  spec.resolve();
  return spec;
}

void train_probe(const Case& c, Outcome& out, nn::Ops ops, std::string_view variant) {
  const nlohmann::json args = c.args();
  nn::Parameters parameters{arch::TensorTable(probe_spec(args))};
  parameters.initialize(0);
  load_present_weights(c, parameters, kProbeScheme);
  train::apply_trainable(parameters, train::Trainable::kHead);
  train::OptimOptions options;
  options.momentum = args.at("momentum");
  options.trust = args.at("eta");
  options.eps = args.at("eps");
  train::Lars optimizer(parameters, options, ops);
  nn::ProbeStatistics statistics = nn::probe_statistics(parameters);
  statistics.momentum = args.at("bn_momentum");
  statistics.eps = args.at("bn_eps");
  const std::string head(arch::names::kHead);
  const at::Tensor features = tensor(c, "features");  // [steps, B, D]
  const at::Tensor labels = nn::to_torch(c.io->read("labels"));
  std::vector<double> losses;
  for (std::int64_t step = 0; step < features.size(0); ++step) {
    parameters.zero_grad();
    const at::Tensor x = nn::probe_norm(features.select(0, step), statistics, true);
    const nn::Exec exec{.precision = nn::Precision::kFp32, .ops = ops};
    const at::Tensor logits = nn::linear(x, parameters.require(head + ".weight"),
                                         parameters.require(head + ".bias"), exec);
    const at::Tensor loss = nn::label_cross_entropy(logits, labels.select(0, step), 0.0, exec);
    loss.backward();
    optimizer.step(args.at("lr"), args.at("weight_decay"));
    losses.push_back(loss.item<double>());
  }
  out.compare("losses", losses, variant);
  compare_parameters(c, out, parameters, kProbeScheme, "after.", false, variant);
}

}  // namespace

void check_mae(const Case& c, Outcome& out) {
  tasks::MaeTask task(load_encoder(c, mae_spec(c.args()), kMaeScheme), mae_options(c.args()));
  const at::Tensor image = tensor(c, "image");
  const at::Tensor noise = tensor(c, "noise");
  for (const OpsVariant& variant : kOpsVariants) {
    nn::ForwardOptions options;
    options.training = true;
    options.exec.ops = variant.ops;
    nn::Capture capture;
    options.capture = &capture;
    compare_pass(out, task.forward(image, noise, options), variant.name);
    compare_inner(out, capture, variant.name);
    options.capture = nullptr;
    for (const bool checkpointed : {false, true}) {
      options.checkpoint_blocks = checkpointed;
      task.parameters().zero_grad();
      const tasks::MaeTask::Pass pass = task.forward(image, noise, options);
      compare_pass(out, pass, variant.name);
      pass.loss.backward();
      compare_parameters(c, out, task.parameters(), kMaeScheme, "grad.", true, variant.name);
    }
  }
}

void check_linear_probe(const Case& c, Outcome& out) {
  for (const OpsVariant& variant : kOpsVariants) train_probe(c, out, variant.ops, variant.name);
}

}  // namespace conopa::parity

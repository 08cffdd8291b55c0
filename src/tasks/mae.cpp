#include "conopa/tasks/mae.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/eval/even_spread.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/patch_pixels.h"

namespace conopa::tasks {
namespace {

// Three pictures each: more would make the report heavy without showing more.
constexpr std::int64_t kMaxReconstructions = 8;

}  // namespace

void MaeOptions::visit(FieldVisitor& v) {
  v.field("mask_ratio", mask_ratio, "part of the patches that the encoder does not see");
  v.field("norm_pix", norm_pix, "predict patches in units of their own mean and deviation");
}

void MaeOptions::validate() const {
  if (!(mask_ratio > 0.0 && mask_ratio < 1.0)) {
    throw ConfigError("mae", "mask_ratio must be above 0 and below 1, got {}; the usual is 0.75",
                      mask_ratio);
  }
}

void MaeOptions::validate_for(const arch::EncoderSpec& spec) const {
  validate();
  if (spec.decoder == arch::Decoder::kNone) {
    throw ConfigError("mae", "the model has no decoder; set model.decoder = \"mae\"");
  }
  const std::int64_t patches = spec.num_patches();
  const std::int64_t visible = nn::visible_patches(patches, mask_ratio);
  if (visible < 1 || visible >= patches) {
    throw ConfigError("mae",
                      "mask_ratio must leave 1 to {} of the {} patches visible, {} leaves {}",
                      patches - 1, patches, mask_ratio, visible);
  }
  if (norm_pix && spec.patch * spec.patch * spec.channels < 2) {
    throw ConfigError("mae", "a patch of one value cannot be normalised; set mae.norm_pix = false");
  }
}

MaeTask::MaeTask(nn::Encoder encoder, const MaeOptions& options)
    : model_(std::move(encoder)), options_(options) {
  options_.validate_for(spec());
}

at::Tensor MaeTask::images_of(const data::Batch& batch) const {
  return nn::view_as_torch(batch.images).to(model_.parameters().device());
}

at::Tensor MaeTask::noise_of(const data::Batch& batch, const nn::NoiseKey& key) const {
  return nn::patch_noise(key, batch.indices, spec().num_patches());
}

MaeTask::Pass MaeTask::forward(const at::Tensor& images, const at::Tensor& noise,
                               const nn::ForwardOptions& options) const {
  Pass pass;
  // Sorting before the transfer: the same order on every device.
  pass.mask = nn::mask_patches(noise, nn::visible_patches(noise.size(1), options_.mask_ratio))
                  .to(images.device());
  pass.latent = model_.encode(images, pass.mask, options);
  pass.prediction = model_.decode(pass.latent, pass.mask.restore, options);
  pass.target = nn::patch_pixels(images, spec().patch);
  if (options_.norm_pix) {
    const nn::PatchStatistics statistics = nn::patch_statistics(pass.target);
    pass.target = (pass.target - statistics.mean) / statistics.deviation;
  }
  pass.loss = nn::removed_patch_error(pass.prediction, pass.target, pass.mask.removed);
  return pass;
}

StepOutput MaeTask::loss(const data::Batch& batch, const StepContext& context) {
  const nn::ForwardOptions options{.exec = context.exec,
                                   .training = true,
                                   .mask_rate = context.mask_rate,
                                   .drop_path = context.drop_path,
                                   .random = context.random,
                                   .checkpoint_blocks = context.checkpoint_blocks};
  const at::Tensor noise = noise_of(batch, {.seed = context.random.seed, .epoch = context.epoch});
  return {forward(images_of(batch), noise, options).loss};
}

Reconstruction MaeTask::reconstruction(const at::Tensor& images, const Pass& pass,
                                       std::int64_t row) const {
  const auto of_row = [row](const at::Tensor& t) { return t.narrow(0, row, 1); };
  const at::Tensor pixels = nn::patch_pixels(of_row(images), spec().patch);
  at::Tensor predicted = of_row(pass.prediction);
  if (options_.norm_pix) {
    const nn::PatchStatistics statistics = nn::patch_statistics(pixels);
    predicted = predicted * statistics.deviation + statistics.mean;
  }
  const at::Tensor removed = of_row(pass.mask.removed).unsqueeze(2);
  const at::Tensor seen = pixels * (1.0 - removed);
  const auto picture = [&](const at::Tensor& patches) {
    return nn::to_host(nn::images_of_patches(patches, spec()).squeeze(0).contiguous());
  };
  return {.index = 0,
          .pictures = {{"input", picture(pixels)},
                       {"masked", picture(seen)},
                       {"prediction", picture(seen + predicted * removed)}}};
}

Evaluation MaeTask::evaluate(data::Loader& loader, const EvaluateOptions& options) {
  const at::NoGradGuard no_grad;
  nn::ForwardOptions forward_options;
  forward_options.exec = options.exec;
  Evaluation out;
  out.primary = "loss";
  out.higher_is_better = false;
  eval::EvenSpread spread(std::min(options.samples, kMaxReconstructions), loader.dataset().size());
  double sum = 0.0;
  std::int64_t samples = 0;
  loader.begin_epoch(0);
  std::int64_t done = 0;
  while (const std::optional<data::Batch> batch = loader.next()) {
    const at::Tensor images = images_of(*batch);
    const Pass pass = forward(images, noise_of(*batch, {}), forward_options);
    // Every sample has the same number of removed patches, so this is the mean over all of them.
    sum += pass.loss.item<double>() * static_cast<double>(batch->size());
    samples += batch->size();
    for (std::int64_t i = 0; i < batch->size(); ++i) {
      if (!spread.takes_next()) continue;
      out.reconstructions.push_back(reconstruction(images, pass, i));
      out.reconstructions.back().index = batch->indices[static_cast<std::size_t>(i)];
    }
    if (options.progress) options.progress(++done, loader.steps_per_epoch());
    if (options.stop && options.stop()) {
      out.complete = false;
      return out;
    }
  }
  out.values = {{"loss", sum / static_cast<double>(samples)}};
  return out;
}

}  // namespace conopa::tasks

#include "conopa/tasks/aim.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "conopa/core/error.h"
#include "conopa/eval/even_spread.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/next_patch.h"
#include "conopa/nn/patch_pixels.h"

namespace conopa::tasks {
namespace {

// Four pictures each, one of them a pass per patch.
constexpr std::int64_t kMaxPictures = 4;
constexpr std::int64_t kNotCounted = -100;

}  // namespace

void AimOptions::visit(FieldVisitor& v) {
  enum_field(v, "order", order, "in which patches follow each other");
  v.field("norm_pix", norm_pix, "predict patches in units of their own mean and deviation");
  v.field("codebook", codebook, "file of codes to predict instead of pixels; empty: pixels");
  v.field("pixel_weight", pixel_weight, "of the pixel loss beside captions");
  v.field("caption_weight", caption_weight, "of the text loss");
  v.field("tokenizer", tokenizer, "of captions: bytes, or the path of CLIP's vocabulary");
}

void AimOptions::validate() const {
  for (const double weight : {pixel_weight, caption_weight}) {
    if (!(weight >= 0.0 && std::isfinite(weight))) {
      throw ConfigError("aim", "pixel_weight and caption_weight must not be negative, got {}",
                        weight);
    }
  }
  if (pixel_weight + caption_weight <= 0.0) {
    throw ConfigError("aim", "pixel_weight and caption_weight must not both be 0");
  }
}

void AimOptions::validate_for(const arch::EncoderSpec& spec) const {
  validate();
  const bool captions = spec.decoder == arch::Decoder::kCaption;
  if (!captions && spec.decoder != arch::Decoder::kNextPatch) {
    throw ConfigError("aim",
                      "the model has no decoder that predicts the next patch; set model.decoder = "
                      "\"next_patch\" or \"caption\"");
  }
  if (codebook.empty() == (spec.decoder_outputs > 0)) {
    throw ConfigError("aim",
                      "codes need both aim.codebook and model.decoder_outputs = its number of "
                      "codes, got codebook '{}' and decoder_outputs {}",
                      codebook, spec.decoder_outputs);
  }
  if (norm_pix && spec.patch_outputs() < 2) {
    throw ConfigError("aim", "a patch of one value cannot be normalised; set aim.norm_pix = false");
  }
}

AimTask::AimTask(nn::Encoder encoder, const AimOptions& options)
    : model_(std::move(encoder)), options_(options) {
  options_.validate_for(spec());
  if (!options_.codebook.empty()) {
    codebook_ = codebook::load_codebook(options_.codebook);
    codebook::require_patch(*codebook_, spec().patch, spec().channels);
    if (codebook_->codes() != spec().decoder_outputs) {
      throw ConfigError(options_.codebook, "expected {} codes (model.decoder_outputs), found {}",
                        spec().decoder_outputs, codebook_->codes());
    }
  }
  if (spec().decoder != arch::Decoder::kCaption) return;
  tokenizer_ = text::open_tokenizer(options_.tokenizer);
  if (tokenizer_->vocabulary() > spec().decoder_vocabulary) {
    throw ConfigError("aim", "tokenizer '{}' has {} tokens, model.decoder_vocabulary is {}",
                      options_.tokenizer, tokenizer_->vocabulary(), spec().decoder_vocabulary);
  }
}

at::Tensor AimTask::words_of(const data::Batch& batch) const {
  if (!tokenizer_) return {};
  if (std::ssize(batch.captions) != batch.size()) {
    throw ConfigError("aim",
                      "decoder = \"caption\" needs data with captions; set data.path to an "
                      "image-caption list");
  }
  std::vector<std::int64_t> words;
  for (const std::string& caption : batch.captions) {
    const std::vector<std::int64_t> own =
        text::encode_padded(*tokenizer_, caption, spec().decoder_context, text::TextStart::kPlain);
    words.insert(words.end(), own.begin(), own.end());
  }
  return at::tensor(words, at::kLong)
      .view({batch.size(), spec().decoder_context})
      .to(model_.parameters().device());
}

// The words up to the end token, which counts; those behind it do not.
at::Tensor AimTask::counted_words(const at::Tensor& words) const {
  const at::Tensor ends = words.eq(tokenizer_->eos()).to(at::kLong).cumsum(1);
  const at::Tensor behind =
      ends.gt(1).logical_or(ends.eq(1).logical_and(words.ne(tokenizer_->eos())));
  return at::where(behind, at::tensor(kNotCounted, words.options()), words);
}

at::Tensor AimTask::in_order(const at::Tensor& places, const nn::ForwardOptions& o) const {
  return o.visible.defined() ? nn::permute_places(places, o.visible) : places;
}

at::Tensor AimTask::patch_loss(const Pass& pass) const {
  const at::Tensor pixels = nn::patch_pixels(pass.images, spec().patch);
  const at::Tensor& prefix = pass.options.prefix;
  if (!codebook_) {
    const auto kind = options_.norm_pix ? nn::PatchTarget::kNormalised : nn::PatchTarget::kRaw;
    return nn::next_patch_error(pass.prediction.patches,
                                in_order(nn::next_patch_targets(pixels, kind), pass.options),
                                prefix);
  }
  const auto kind = codebook_->normalised ? nn::PatchTarget::kNormalised : nn::PatchTarget::kRaw;
  const at::Tensor patches = nn::next_patch_targets(pixels, kind).cpu().contiguous();
  const std::vector<std::int64_t> codes = codebook::nearest_code(nn::floats(patches), *codebook_);
  const at::Tensor tokens =
      at::tensor(codes, at::kLong).view({pixels.size(0), pixels.size(1)}).to(pixels.device());
  return nn::next_token_error(pass.prediction.patches, in_order(tokens, pass.options), prefix);
}

AimTask::Pass AimTask::forward(const data::Batch& batch, const nn::NoiseKey& key,
                               nn::ForwardOptions options) const {
  const std::int64_t patches = spec().num_patches();
  const at::Device device = model_.parameters().device();
  if (spec().mask == arch::Mask::kPrefixCausal) {
    options.prefix = nn::draw_prefixes(key, batch.indices, patches);
  }
  if (options_.order != arch::VisitOrder::kRaster) {
    const at::Tensor order = nn::draw_visit_orders(options_.order, spec().grid_rows(),
                                                   spec().grid_cols(), key, batch.indices);
    options.visible = order.expand({batch.size(), patches}).contiguous().to(device);
  }
  Pass pass{.options = options,
            .images = nn::view_as_torch(batch.images).to(device),
            .words = words_of(batch),
            .prediction = {},
            .patch_loss = {},
            .text_loss = {},
            .loss = {}};
  pass.prediction = model_.predict(pass.images, pass.words, options);
  pass.patch_loss = patch_loss(pass);
  pass.loss = pass.patch_loss;
  if (!pass.words.defined()) return pass;
  const at::Tensor logits = pass.prediction.words.narrow(1, 0, pass.words.size(1));
  pass.text_loss =
      at::cross_entropy_loss(logits.reshape({-1, logits.size(2)}),
                             counted_words(pass.words).reshape({-1}), {}, 1, kNotCounted);
  pass.loss = pass.patch_loss * options_.pixel_weight + pass.text_loss * options_.caption_weight;
  return pass;
}

StepOutput AimTask::loss(const data::Batch& batch, const StepContext& context) {
  const nn::ForwardOptions options{.exec = context.exec,
                                   .training = true,
                                   .mask_rate = context.mask_rate,
                                   .drop_path = context.drop_path,
                                   .random = context.random,
                                   .checkpoint_blocks = context.checkpoint_blocks};
  return {forward(batch, {.seed = context.random.seed, .epoch = context.epoch}, options).loss};
}

at::Tensor AimTask::denormalised(const at::Tensor& predicted, const at::Tensor& pixels) const {
  if (!options_.norm_pix) return predicted;
  const nn::PatchStatistics statistics = nn::patch_statistics(pixels);
  return predicted * statistics.deviation + statistics.mean;
}

Reconstruction AimTask::pictures(const Pass& pass, std::int64_t row) const {
  nn::ForwardOptions options = pass.options;
  options.capture = nullptr;
  if (options.prefix.defined()) options.prefix = options.prefix.narrow(0, row, 1);
  if (options.visible.defined()) options.visible = options.visible.narrow(0, row, 1);
  const std::int64_t N = spec().num_patches();
  const std::int64_t given = options.prefix.defined() ? options.prefix.item<std::int64_t>() : 1;
  const at::Tensor order = options.visible.defined()
                               ? options.visible.select(0, 0)
                               : at::arange(N, at::TensorOptions().dtype(at::kLong));
  const at::Tensor pixels = nn::patch_pixels(pass.images.narrow(0, row, 1), spec().patch);
  const at::Tensor words = pass.words.defined() ? pass.words.narrow(0, row, 1) : at::Tensor();
  const auto picture = [&](const at::Tensor& patches) {
    return nn::to_host(nn::images_of_patches(patches, spec()).squeeze(0).contiguous().cpu());
  };
  // Puts the prediction of place k − 1 into the patch of place k.
  const auto place = [&](at::Tensor& into, const at::Tensor& predictions, std::int64_t k) {
    const std::int64_t patch = order[k].item<std::int64_t>();
    const at::Tensor own = pixels.narrow(1, patch, 1);
    into.narrow(1, patch, 1).copy_(denormalised(predictions.narrow(1, k - 1, 1), own));
  };
  at::Tensor prefix = pixels * 0.0;
  for (std::int64_t k = 0; k < given; ++k) {
    const std::int64_t patch = order[k].item<std::int64_t>();
    prefix.narrow(1, patch, 1).copy_(pixels.narrow(1, patch, 1));
  }
  at::Tensor one_step = prefix.clone();
  at::Tensor rolled = prefix.clone();
  const at::Tensor known = pass.prediction.patches.narrow(0, row, 1);
  for (std::int64_t k = given; k < N; ++k) {
    place(one_step, known, k);
    const at::Tensor so_far = nn::images_of_patches(rolled, spec());
    place(rolled, model_.predict(so_far, words, options).patches, k);
  }
  return {.index = 0,
          .pictures = {{"input", picture(pixels)},
                       {"prefix", picture(prefix)},
                       {"one step", picture(one_step)},
                       {"roll-out", picture(rolled)}}};
}

void AimTask::add(const Pass& pass, Totals& totals) const {
  const std::int64_t samples = pass.images.size(0);
  const std::int64_t given = pass.options.prefix.defined()
                                 ? pass.options.prefix.sum().item<std::int64_t>()
                                 : samples;  // the first place is no target of any model
  const auto places = static_cast<double>(samples * spec().num_patches() - given);
  totals.patch_loss += pass.patch_loss.item<double>() * places;
  totals.places += places;
  if (!pass.words.defined()) return;
  const at::Tensor counted = counted_words(pass.words);
  const at::Tensor best = pass.prediction.words.narrow(1, 0, counted.size(1)).argmax(2);
  const auto words = static_cast<double>(counted.ne(kNotCounted).sum().item<std::int64_t>());
  totals.text_loss += pass.text_loss.item<double>() * words;
  totals.words += words;
  totals.right += static_cast<double>(counted.eq(best).sum().item<std::int64_t>());
}

std::vector<std::pair<std::string, double>> AimTask::values(const Totals& totals) const {
  const double patch = totals.patch_loss / totals.places;
  if (!tokenizer_) return {{"loss", patch}};
  const double text = totals.text_loss / totals.words;
  return {{"loss", options_.pixel_weight * patch + options_.caption_weight * text},
          {"pixel_loss", patch},
          {"text_loss", text},
          {"word_accuracy", totals.right / totals.words}};
}

Evaluation AimTask::evaluate(data::Loader& loader, const EvaluateOptions& options) {
  const at::NoGradGuard no_grad;
  nn::ForwardOptions forward_options;
  forward_options.exec = options.exec;
  Evaluation out;
  out.primary = "loss";
  out.higher_is_better = false;
  const std::int64_t wanted = codebook_ ? 0 : std::min(options.samples, kMaxPictures);
  eval::EvenSpread spread(wanted, loader.dataset().size());
  Totals totals;
  std::int64_t done = 0;
  loader.begin_epoch(0);
  while (const std::optional<data::Batch> batch = loader.next()) {
    const Pass pass = forward(*batch, {}, forward_options);
    add(pass, totals);
    for (std::int64_t i = 0; i < batch->size(); ++i) {
      if (!spread.takes_next()) continue;
      out.reconstructions.push_back(pictures(pass, i));
      out.reconstructions.back().index = batch->indices[static_cast<std::size_t>(i)];
    }
    if (options.progress) options.progress(++done, loader.steps_per_epoch());
    if (options.stop && options.stop()) {
      out.complete = false;
      return out;
    }
  }
  out.values = values(totals);
  return out;
}

}  // namespace conopa::tasks

#include "conopa/train/options.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"

namespace conopa::train {
namespace {

template <typename T>
void require_range(std::string_view where, std::string_view name, T value, T low, T high) {
  if (!(value >= low && value <= high)) {
    throw ConfigError(where, "{} must be {} to {}, got {}", name, low, high, value);
  }
}

constexpr std::int64_t kMany = 1'000'000'000;

// The task that a model is for.
TaskKind task_of(const arch::EncoderSpec& spec) {
  if (spec.input == arch::Input::kPoints) return TaskKind::kPoints;
  switch (spec.decoder) {
    case arch::Decoder::kMae:
      return TaskKind::kMae;
    case arch::Decoder::kNextPatch:
    case arch::Decoder::kCaption:
      return TaskKind::kAim;
    case arch::Decoder::kNone:
      break;
  }
  return TaskKind::kClassify;
}

void validate_task(const RunConfig& run) {
  const arch::Decoder decoder = run.model.spec.decoder;
  const TaskKind task = run.train.task;
  if (task_of(run.model.spec) != task) {
    if (task == TaskKind::kPoints) run.points.validate_for(run.model.spec);
    if (run.model.spec.input == arch::Input::kPoints) {
      throw ConfigError("train",
                        "a model with input = \"points\" needs task = \"points\", got \"{}\"",
                        enum_name(task));
    }
    if (decoder == arch::Decoder::kNone) {
      throw ConfigError("train", "task = \"{}\" needs a decoder; set model.decoder = {}",
                        enum_name(task),
                        task == TaskKind::kMae ? "\"mae\"" : "\"next_patch\" or \"caption\"");
    }
    throw ConfigError("train",
                      "a model with decoder = \"{}\" learns to predict patches; set train.task = "
                      "\"{}\", or model.decoder = \"none\" to classify",
                      enum_name(decoder), enum_name(task_of(run.model.spec)));
  }
  if (task == TaskKind::kClassify) {
    classify_options(run).validate();
    return;
  }
  if (task == TaskKind::kMae) run.mae.validate();
  if (task == TaskKind::kAim) run.aim.validate();
  if (task == TaskKind::kPoints) run.points.validate();
  if (run.mixup.needs_targets()) {
    throw ConfigError(
        "mixup",
        "mixing and label smoothing belong to image classification; leave [mixup] out for "
        "task = \"{}\"",
        enum_name(task));
  }
}

}  // namespace

void ModelOptions::visit(FieldVisitor& v) {
  v.field("preset", preset, "registry name the other fields start from");
  spec.visit(v);
}

void OptimOptions::visit(FieldVisitor& v) {
  enum_field(v, "optimizer", optimizer, "rule of the updates");
  enum_field(v, "schedule", schedule,
             "learning rate per step, per epoch, per epoch and one epoch late, or per step by the "
             "fraction of the run");
  v.field("lr_peak", lr_peak, "learning rate after the warm-up");
  v.field("lr_final", lr_final, "learning rate the cosine falls to");
  v.field("lr_start", lr_start, "learning rate of the first warm-up step");
  v.field("warmup_epochs", warmup_epochs, "epochs of linear warm-up; fractions are allowed");
  v.field("weight_decay", weight_decay, "of matrices; biases, norms and embeddings have none");
  v.field("decoupled_decay", decoupled_decay,
          "AdamW decays by weight_decay * lr / lr_peak a step, not by weight_decay * lr");
  v.field("betas", betas, "averaging factors of AdamW and LAMB");
  v.field("momentum", momentum, "of LARS");
  v.field("trust", trust, "LARS's trust coefficient");
  v.field("eps", eps, "term against division by zero");
  v.field("clip_grad", clip_grad, "largest global gradient norm; 0 = off");
  v.field("layer_decay", layer_decay, "learning-rate factor per layer below the head; 1 = off");
  v.field("no_decay_lr", no_decay_lr, "learning-rate factor of biases, norms and tokens");
  v.field("mapper_lr", mapper_lr, "learning-rate factor of a language block's mappers");
  v.field("mapper_decay", mapper_decay, "whether those mappers have weight decay");
}

void OptimOptions::validate() const {
  constexpr double kHuge = 1e6;
  require_range("optim", "lr_peak", lr_peak, 0.0, kHuge);
  require_range("optim", "lr_final", lr_final, 0.0, kHuge);
  require_range("optim", "lr_start", lr_start, 0.0, kHuge);
  require_range("optim", "warmup_epochs", warmup_epochs, 0.0, kHuge);
  require_range("optim", "weight_decay", weight_decay, 0.0, kHuge);
  require_range("optim", "momentum", momentum, 0.0, 1.0);
  require_range("optim", "trust", trust, 0.0, kHuge);
  require_range("optim", "eps", eps, 0.0, 1.0);
  require_range("optim", "clip_grad", clip_grad, 0.0, kHuge);
  require_range("optim", "layer_decay", layer_decay, 1e-6, 1.0);
  require_range("optim", "no_decay_lr", no_decay_lr, 0.0, kHuge);
  require_range("optim", "mapper_lr", mapper_lr, 0.0, kHuge);
  if (decoupled_decay && optimizer != OptimizerKind::kAdamW) {
    throw ConfigError("optim", "decoupled_decay belongs to optimizer = \"adamw\", got \"{}\"",
                      enum_name(optimizer));
  }
  if (decoupled_decay && lr_peak <= 0.0) {
    throw ConfigError("optim", "decoupled_decay divides by lr_peak, which must be above 0");
  }
  if (betas.size() != 2 ||
      !std::all_of(betas.begin(), betas.end(), [](double b) { return b >= 0.0 && b < 1.0; })) {
    throw ConfigError("optim", "betas must be two numbers of at least 0 and below 1");
  }
}

void MaskOptions::visit(FieldVisitor& v) {
  enum_field(v, "mode", schedule.mode, "soft: until cutoff_epochs, then causal; standard: always");
  enum_field(v, "schedule", schedule.shape, "how the rate behaves before the cut-off");
  v.field("rate", schedule.rate, "mask rate before the cut-off; 1 = bidirectional");
  v.field("cutoff_epochs", schedule.cutoff_epochs, "epochs with a soft mask");
}

void DropOptions::visit(FieldVisitor& v) {
  enum_field(v, "mode", mode, "standard: always; early, late: until or after cutoff_epochs");
  enum_field(v, "schedule", schedule, "how the rate behaves before an early cut-off");
  v.field("cutoff_epochs", cutoff_epochs, "epochs until the cut");
}

void TrainOptions::visit(FieldVisitor& v) {
  enum_field(v, "task", task,
             "what is learnt: classes, masked patches (mae), the next patch (aim), classes of "
             "point clouds (points)");
  v.field("epochs", epochs, "passes over the training data");
  v.field("batch", batch, "images per optimiser step");
  v.field("accumulate", accumulate, "micro-batches a step is cut into to save memory");
  enum_field(v, "loss", loss, "of classification: softmax or one sigmoid per class");
  enum_field(v, "trainable", trainable,
             "head: freeze everything below the head; lora: all but low-rank branches and head");
  enum_field(v, "precision", precision, "arithmetic of matrix products");
  enum_field(v, "ops", ops, "auto: fused kernels on the CPU, stock libtorch elsewhere");
  v.field("device", device, "auto, cpu, cuda or cuda:N");
  v.field("threads", threads, "compute threads; 0 = one per core");
  v.field("workers", workers, "loader threads; -1 = half the cores, 0 = none");
  v.field("prefetch", prefetch, "micro-batches made ahead");
  v.field("seed", seed, "of weights, order, augmentation and stochastic depth");
  v.field("ema_decay", ema_decay, "average of weights used for evaluation; 0 = off");
  v.field("ema_warmup", ema_warmup, "let the average follow faster at first");
  v.field("checkpoint_blocks", checkpoint_blocks, "recompute activations to save memory");
  v.field("eval_every", eval_every, "epochs between evaluations; 0 = after the last only");
  v.field("eval_batch", eval_batch, "0 = as in training");
  v.field("log_every", log_every, "steps between lines of metrics.jsonl");
  v.field("save_every", save_every, "epochs between numbered checkpoints; 0 = none");
  v.field("keep_last", keep_last, "numbered checkpoints that stay; 0 = all");
  v.field("save_steps", save_steps, "steps between saves inside an epoch; 0 = none");
  v.field("save_minutes", save_minutes, "minutes between saves inside an epoch; 0 = none");
  v.field("time_limit_minutes", time_limit_minutes, "save and stop after this time; 0 = none");
  enum_field(v, "on_nonfinite", on_nonfinite, "a loss that is not finite stops or is skipped");
  v.field("max_nonfinite", max_nonfinite, "skipped steps in a row that end the run");
  v.field("init_from", init_from, "model folder or checkpoint to start from");
  enum_field(v, "init_policy", init_policy, "partial: tensors that do not fit start fresh");
}

void TrainOptions::validate() const {
  require_range<std::int64_t>("train", "epochs", epochs, 1, 1'000'000);
  require_range<std::int64_t>("train", "batch", batch, 1, 1'000'000);
  require_range<std::int64_t>("train", "accumulate", accumulate, 1, batch);
  if (batch % accumulate != 0) {
    throw ConfigError("train", "accumulate must divide batch, got {} and {}", accumulate, batch);
  }
  require_range<std::int64_t>("train", "threads", threads, 0, 4096);
  require_range<std::int64_t>("train", "seed", seed, 0, std::int64_t{1} << 62);
  require_range("train", "ema_decay", ema_decay, 0.0, 1.0);
  require_range<std::int64_t>("train", "eval_every", eval_every, 0, kMany);
  require_range<std::int64_t>("train", "eval_batch", eval_batch, 0, 1'000'000);
  require_range<std::int64_t>("train", "log_every", log_every, 1, kMany);
  require_range<std::int64_t>("train", "save_every", save_every, 0, kMany);
  require_range<std::int64_t>("train", "keep_last", keep_last, 0, kMany);
  require_range<std::int64_t>("train", "save_steps", save_steps, 0, kMany);
  require_range("train", "save_minutes", save_minutes, 0.0, 1e9);
  require_range("train", "time_limit_minutes", time_limit_minutes, 0.0, 1e9);
  require_range<std::int64_t>("train", "max_nonfinite", max_nonfinite, 1, kMany);
}

void OutputOptions::visit(FieldVisitor& v) {
  v.field("dir", dir, "run folder");
  v.field("name", name, "title of report and model card; empty = name of the folder");
  enum_field(v, "model", model, "weights of the final model: last or best epoch");
  v.field("tensorboard", tensorboard, "write TensorBoard event files");
  v.field("samples", samples, "predictions shown in the report");
}

void RunConfig::visit(FieldVisitor& v) {
  v.section("model", model, "architecture");
  v.section("data", data, "datasets");
  v.section("sampler", sampler, "order of the training samples");
  v.section("augment", augment, "training images");
  v.section("eval_transform", eval_transform, "evaluation images");
  v.section("mixup", mixup, "mixup, cutmix and label smoothing");
  v.section("optim", optim, "optimiser, warm-up and cosine");
  v.section("mask", mask, "soft mask during training");
  v.section("drop_path", drop_path, "when stochastic depth acts");
  v.section("train", train, "the loop");
  v.section("mae", mae, "masked auto-encoding");
  v.section("aim", aim, "autoregressive pre-training");
  v.section("points", points, "point clouds");
  v.section("llm", llm, "language block");
  v.section("output", output, "the run folder");
}

RunConfig RunConfig::from(Config& config) {
  RunConfig run;
  if (const std::optional<std::string> preset = config.peek_string("model.preset")) {
    if (!preset->empty()) run.model.spec = arch::preset_spec(*preset);
  }
  config.read(run);
  const auto follow = [&config](std::string_view key, auto& value, const auto& source) {
    if (!config.has(key)) value = source;
  };
  const arch::EncoderSpec& spec = run.model.spec;
  follow("augment.height", run.augment.height, spec.height);
  follow("augment.width", run.augment.width, spec.width);
  follow("augment.channels", run.augment.channels, spec.channels);
  follow("eval_transform.height", run.eval_transform.height, spec.height);
  follow("eval_transform.width", run.eval_transform.width, spec.width);
  follow("eval_transform.channels", run.eval_transform.channels, spec.channels);
  follow("eval_transform.mean", run.eval_transform.mean, run.augment.mean);
  follow("eval_transform.std", run.eval_transform.std, run.augment.std);
  run.classes_from_data = !config.has("model.num_classes");
  run.validate();
  return run;
}

tasks::ClassifyOptions classify_options(const RunConfig& config) {
  return {.loss = config.train.loss, .label_smoothing = config.mixup.label_smoothing};
}

void RunConfig::resolve(std::int64_t dataset_classes) {
  arch::EncoderSpec& spec = model.spec;
  llm.apply(spec);
  if (train.task == TaskKind::kMae || train.task == TaskKind::kAim) {
    if (classes_from_data) spec.num_classes = 0;
    spec.resolve();
    if (train.task == TaskKind::kMae) mae.validate_for(spec);
    if (train.task == TaskKind::kAim) aim.validate_for(spec);
    return;
  }
  if (dataset_classes == 0) {
    throw ConfigError("data",
                      "classification needs classes, the data has none; give labelled data");
  }
  if (classes_from_data) spec.num_classes = dataset_classes;
  if (spec.num_classes < dataset_classes) {
    throw ConfigError("model", "num_classes must be at least the {} classes of the data, got {}",
                      dataset_classes, spec.num_classes);
  }
  spec.resolve();
}

void RunConfig::validate() const {
  data.validate();
  augment.validate();
  eval_transform.validate();
  mixup.validate();
  optim.validate();
  train.validate();
  validate_task(*this);
  const arch::EncoderSpec& spec = model.spec;
  const auto same_size = [&spec](std::string_view where, const auto& t) {
    if (t.height == spec.height && t.width == spec.width && t.channels == spec.channels) return;
    throw ConfigError(where, "images must have the model's size {}x{}x{}, got {}x{}x{}",
                      spec.channels, spec.height, spec.width, t.channels, t.height, t.width);
  };
  same_size("augment", augment);
  same_size("eval_transform", eval_transform);
  if (spec.llm.has_blocks() && !spec.llm.trainable && llm.mode == LanguageMode::kNone &&
      train.init_from.empty()) {
    throw ConfigError("llm",
                      "the model has a frozen language block and no weights for it; set llm.mode "
                      "and llm.source, or train.init_from");
  }
  require_range("mask", "rate", mask.schedule.rate, 0.0, 1.0);
  const bool soft = mask.schedule.mode == MaskMode::kStandard || mask.schedule.cutoff_epochs > 0.0;
  if (soft && spec.mask != arch::Mask::kSoftCausal) {
    throw ConfigError("mask", "a schedule needs model.mask = soft_causal, got {}",
                      enum_name(spec.mask));
  }
  const double limit = static_cast<double>(train.epochs);
  if (optim.warmup_epochs > limit || mask.schedule.cutoff_epochs > limit ||
      drop_path.cutoff_epochs > limit) {
    throw ConfigError("train", "warm-up and cut-offs must end within {} epochs", train.epochs);
  }
}

}  // namespace conopa::train

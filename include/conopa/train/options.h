#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/config.h"
#include "conopa/core/fields.h"
#include "conopa/data/mixup.h"
#include "conopa/data/open.h"
#include "conopa/data/sampler.h"
#include "conopa/image/transform.h"
#include "conopa/nn/ops.h"
#include "conopa/tasks/aim.h"
#include "conopa/tasks/classify.h"
#include "conopa/tasks/mae.h"
#include "conopa/tasks/points.h"
#include "conopa/train/language.h"
#include "conopa/train/schedule.h"

namespace conopa::train {

/// `[model]`: a preset and any field of the spec.
struct ModelOptions {
  std::string preset;  ///< registry name; empty: the fields alone
  arch::EncoderSpec spec;

  void visit(FieldVisitor& v);
};

/// The rule that turns gradients into updates; one subclass of Optimizer each.
enum class OptimizerKind { kAdamW, kLamb, kLars };

/// `[optim]`: the optimiser, warm-up and cosine.
struct OptimOptions {
  OptimizerKind optimizer = OptimizerKind::kAdamW;
  LrMode schedule = LrMode::kStep;  ///< how often the learning rate changes
  double lr_peak = 1e-3;
  double lr_final = 1e-6;
  double lr_start = 0.0;  ///< of the first warm-up step; a start factor f means f·lr_peak
  double warmup_epochs = 0.0;
  double weight_decay = 0.05;
  bool decoupled_decay = false;  ///< AdamW: decay by wd·lr/lr_peak a step instead of wd·lr
  std::vector<double> betas = {0.9, 0.999};  ///< AdamW, LAMB
  double momentum = 0.9;                     ///< LARS
  double trust = 1e-3;                       ///< LARS: its η
  double eps = 1e-8;
  double clip_grad = 0.0;    ///< largest global gradient norm; 0 = off
  double layer_decay = 1.0;  ///< learning-rate factor per layer below the head
  double no_decay_lr = 1.0;  ///< learning-rate factor of what has no weight decay
  double mapper_lr = 1.0;    ///< learning-rate factor of the mappers of a language block
  bool mapper_decay = true;  ///< whether those mappers have weight decay

  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
};

/// `[mask]`: the soft mask during training; models with another mask ignore the defaults.
struct MaskOptions {
  MaskSchedule schedule;

  void visit(FieldVisitor& v);
};

/// `[drop_path]`: when stochastic depth acts; its peak rate is model.drop_path.
struct DropOptions {
  DropMode mode = DropMode::kStandard;
  CutoffShape schedule = CutoffShape::kConstant;
  double cutoff_epochs = 0.0;

  void visit(FieldVisitor& v);
};

/// What a loss or gradient that is not finite does. kSkip drops the step, until max_nonfinite.
enum class OnNonfinite { kStop, kSkip };
/// What happens to tensors that the initial weights lack or shape differently.
enum class InitPolicy {
  kStrict,  ///< refuse
  kPartial  ///< start them fresh and say so
};

/// Which tensors a run changes.
enum class Trainable {
  kAll,
  kHead,  ///< probing: the rest of the model is a fixed feature extractor
  kLora   ///< low-rank branches (model.lora_rank > 0) and the head
};

/// What a run learns: one subclass of tasks::Task each.
enum class TaskKind {
  kClassify,
  kMae,    ///< masked auto-encoding; the data's classes play no part
  kAim,    ///< the next patch, and the next word of captions; classes play no part
  kPoints  ///< classes of point clouds
};

/// `[train]`.
struct TrainOptions {
  TaskKind task = TaskKind::kClassify;
  std::int64_t epochs = 10;
  std::int64_t batch = 256;     ///< images per optimiser step
  std::int64_t accumulate = 1;  ///< micro-batches a step is cut into; divides batch
  tasks::ClassifyLoss loss = tasks::ClassifyLoss::kCrossEntropy;
  Trainable trainable = Trainable::kAll;
  nn::Precision precision = nn::Precision::kBf16;
  nn::Ops ops = nn::Ops::kAuto;
  std::string device = "auto";
  std::int64_t threads = 0;   ///< compute threads; 0 = one per core
  std::int64_t workers = -1;  ///< loader threads; -1 = half the cores, 0 = none
  std::int64_t prefetch = 2;
  std::int64_t seed = 0;
  double ema_decay = 0.0;  ///< 0 = no average of weights
  bool ema_warmup = true;  ///< decay grows as (1 + t)/(10 + t) at first
  bool checkpoint_blocks = false;
  std::int64_t eval_every = 1;      ///< epochs; 0 = after the last only
  std::int64_t eval_batch = 0;      ///< 0 = batch / accumulate
  std::int64_t log_every = 20;      ///< steps between lines of metrics.jsonl
  std::int64_t save_every = 0;      ///< epochs between numbered checkpoints; 0 = none
  std::int64_t keep_last = 3;       ///< numbered checkpoints that stay; 0 = all
  std::int64_t save_steps = 0;      ///< steps between saves of `last` inside an epoch; 0 = none
  double save_minutes = 15.0;       ///< the same by time; 0 = none
  double time_limit_minutes = 0.0;  ///< stop cleanly after this time; 0 = none
  OnNonfinite on_nonfinite = OnNonfinite::kStop;
  std::int64_t max_nonfinite = 20;  ///< skipped steps in a row that end the run
  std::string init_from;            ///< model folder or checkpoint file; empty = fresh weights
  InitPolicy init_policy = InitPolicy::kStrict;

  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
  [[nodiscard]] std::int64_t micro_batch() const noexcept { return batch / accumulate; }
};

/// Which weights the run folder's `model/` holds.
enum class ModelChoice { kLast, kBest };

/// `[output]`.
struct OutputOptions {
  std::string dir;   ///< run folder
  std::string name;  ///< title of report and model card; empty = name of the folder
  ModelChoice model = ModelChoice::kLast;
  bool tensorboard = true;
  std::int64_t samples = 24;  ///< predictions shown in the report

  void visit(FieldVisitor& v);
};

/// A whole recipe of a training run, resolved.
struct RunConfig {
  ModelOptions model;
  data::DataOptions data;
  data::SamplerOptions sampler;
  image::TrainTransformOptions augment;
  image::EvalTransformOptions eval_transform;
  data::MixupOptions mixup;  ///< holds the label smoothing, which acts without mixing too
  OptimOptions optim;
  MaskOptions mask;
  DropOptions drop_path;
  TrainOptions train;
  tasks::MaeOptions mae;        ///< of train.task = "mae"
  tasks::AimOptions aim;        ///< of train.task = "aim"
  tasks::PointsOptions points;  ///< of train.task = "points"
  LanguageOptions llm;
  OutputOptions output;
  bool classes_from_data = false;  ///< model.num_classes was not given

  void visit(FieldVisitor& v);

  /// Reads a recipe: preset first, then its fields; image sizes, mean and std that [augment] or
  /// [eval_transform] leave out follow the model and [augment].
  /// @throws ConfigError for unknown keys and values that do not fit.
  [[nodiscard]] static RunConfig from(Config& config);

  /// Settles model.num_classes by the dataset (0 where the task has no classes) and resolves the
  /// spec.
  /// @throws ConfigError if the recipe gives fewer classes than the data has, or the task does not
  ///         fit the model.
  void resolve(std::int64_t dataset_classes);

  /// Checks everything that needs no dataset.
  /// @throws ConfigError naming the field.
  void validate() const;
};

/// What the recipe says to a classification task.
[[nodiscard]] tasks::ClassifyOptions classify_options(const RunConfig& config);

/// Keys (`train.batch`) that differ between two resolved configs and change what a run computes;
/// where it writes, how often it saves and how many workers load are left out.
[[nodiscard]] std::vector<std::string> changed_keys(const RunConfig& a, const RunConfig& b);

}  // namespace conopa::train

template <>
struct conopa::EnumNames<conopa::nn::Precision> {
  static constexpr std::array<std::string_view, 2> kNames = {"fp32", "bf16"};
};
template <>
struct conopa::EnumNames<conopa::nn::Ops> {
  static constexpr std::array<std::string_view, 3> kNames = {"auto", "stock", "fused"};
};
template <>
struct conopa::EnumNames<conopa::train::OnNonfinite> {
  static constexpr std::array<std::string_view, 2> kNames = {"stop", "skip"};
};
template <>
struct conopa::EnumNames<conopa::train::InitPolicy> {
  static constexpr std::array<std::string_view, 2> kNames = {"strict", "partial"};
};
template <>
struct conopa::EnumNames<conopa::train::OptimizerKind> {
  static constexpr std::array<std::string_view, 3> kNames = {"adamw", "lamb", "lars"};
};
template <>
struct conopa::EnumNames<conopa::train::TaskKind> {
  static constexpr std::array<std::string_view, 4> kNames = {"classify", "mae", "aim", "points"};
};
template <>
struct conopa::EnumNames<conopa::train::Trainable> {
  static constexpr std::array<std::string_view, 3> kNames = {"all", "head", "lora"};
};
template <>
struct conopa::EnumNames<conopa::train::ModelChoice> {
  static constexpr std::array<std::string_view, 2> kNames = {"last", "best"};
};

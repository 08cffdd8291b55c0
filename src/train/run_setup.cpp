#include "train/run_setup.h"

#include <unistd.h>

#include <array>
#include <span>

#include "conopa/core/error.h"
#include "conopa/core/system.h"
#include "conopa/kernels/isa.h"
#include "conopa/nn/torch_compat.h"
#include "conopa/tasks/aim.h"
#include "conopa/tasks/classify.h"
#include "conopa/tasks/mae.h"
#include "conopa/tasks/points.h"
#include "conopa/tasks/runtime.h"
#include "conopa/train/initial_weights.h"
#include "conopa/train/trainable.h"

namespace conopa::train {
namespace {

data::Sampler make_sampler(data::SamplerOptions options, const data::OpenedDataset& opened,
                           std::int64_t seed) {
  const data::Dataset& dataset = *opened.dataset;
  options.seed = seed;
  if (!opened.mixture.empty()) return {options, opened.mixture};
  if (options.order != data::SampleOrder::kBalanced) return {options, dataset.size()};
  const std::vector<std::int64_t> labels = data::all_labels(dataset);
  return {options, std::span(labels)};
}

std::unique_ptr<tasks::Task> task_with(nn::Encoder encoder, const RunConfig& config) {
  if (config.train.task == TaskKind::kMae) {
    return std::make_unique<tasks::MaeTask>(std::move(encoder), config.mae);
  }
  if (config.train.task == TaskKind::kAim) {
    return std::make_unique<tasks::AimTask>(std::move(encoder), config.aim);
  }
  if (config.train.task == TaskKind::kPoints) {
    tasks::PointsOptions options = config.points;
    options.seed = static_cast<std::uint64_t>(config.train.seed);
    return std::make_unique<tasks::PointsTask>(std::move(encoder), options);
  }
  return std::make_unique<tasks::ClassifyTask>(std::move(encoder), classify_options(config));
}

std::shared_ptr<const data::SampleSource> make_source(const RunConfig& config,
                                                      std::shared_ptr<const data::Dataset> dataset,
                                                      data::Split split) {
  if (config.train.task == TaskKind::kPoints) {
    return tasks::make_cloud_source(std::move(dataset), config.points.clouds, split);
  }
  std::unique_ptr<image::Transform> transform =
      split == data::Split::kTrain ? image::make_train_transform(config.augment)
                                   : image::make_eval_transform(config.eval_transform);
  return data::make_image_source(std::move(dataset), std::move(transform));
}

}  // namespace

RunParts open_parts(const RunConfig& config) {
  const data::DataOptions& options = config.data;
  if (config.train.task == TaskKind::kPoints) {
    const std::int64_t count = config.model.spec.point.count;
    return {.train = tasks::open_clouds(options, data::Split::kTrain, config.points.clouds, count),
            .eval = tasks::open_clouds(options, data::Split::kEval, config.points.clouds, count)};
  }
  return {.train = data::open_dataset(options, data::Split::kTrain),
          .eval = data::open_dataset(options, data::Split::kEval)};
}

std::unique_ptr<data::Loader> make_train_loader(const RunConfig& config, const RunParts& parts) {
  data::LoaderOptions options{.batch = config.train.micro_batch(),
                              .workers = config.train.workers,
                              .prefetch = config.train.prefetch,
                              .drop_last = true,
                              .seed = config.train.seed,
                              .mixup = config.mixup};
  if (!config.mixup.mixes()) options.mixup = {};
  const data::OpenedDataset& opened = parts.train;
  const std::int64_t images =
      opened.mixture.empty() ? opened.dataset->size() : opened.mixture.epoch_draws();
  if (images < config.train.batch) {
    throw ConfigError("train", "batch must be at most the {} training images, got {}", images,
                      config.train.batch);
  }
  auto loader = std::make_unique<data::Loader>(
      make_source(config, opened.dataset, data::Split::kTrain),
      make_sampler(config.sampler, opened, config.train.seed), options);
  if (loader->steps_per_epoch() < config.train.accumulate) {
    throw ConfigError("train", "an epoch holds {} micro-batches, a step needs {}",
                      loader->steps_per_epoch(), config.train.accumulate);
  }
  return loader;
}

std::unique_ptr<data::Loader> make_eval_loader(const RunConfig& config, const RunParts& parts) {
  const std::int64_t batch =
      config.train.eval_batch > 0 ? config.train.eval_batch : config.train.micro_batch();
  const data::LoaderOptions options{.batch = batch,
                                    .workers = config.train.workers,
                                    .prefetch = config.train.prefetch,
                                    .drop_last = false,
                                    .seed = config.train.seed,
                                    .mixup = {}};
  data::SamplerOptions order;
  order.order = data::SampleOrder::kSequential;
  order.tail = data::ShardTail::kUneven;
  return std::make_unique<data::Loader>(make_source(config, parts.eval.dataset, data::Split::kEval),
                                        data::Sampler(order, parts.eval.dataset->size()), options);
}

MadeTask make_task(const RunConfig& config) {
  nn::Encoder encoder(config.model.spec, tasks::select_device(config.train.device));
  encoder.parameters().initialize(static_cast<std::uint64_t>(config.train.seed));
  if (!config.train.init_from.empty()) {
    load_initial_weights(config.train.init_from, config.model.spec, encoder.parameters(),
                         config.train.init_policy);
  }
  MadeTask made;
  if (config.model.spec.llm.present()) {
    made.language =
        load_language(config.llm, config.model.spec, config.train.seed, encoder.parameters());
  }
  apply_trainable(encoder.parameters(), config.train.trainable);
  made.task = task_with(std::move(encoder), config);
  return made;
}

std::vector<std::pair<std::string, std::string>> environment_facts(const RunOptions& options,
                                                                   const std::string& device,
                                                                   std::int64_t threads) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return {{"version", options.version},
          {"host", host.data()},
          {"processor", cpu_model_name()},
          {"threads", std::to_string(threads)},
          {"kernels", std::string(kernels::isa_name(kernels::active_isa()))},
          {"device", device},
          {"libtorch", TORCH_VERSION},
          {"compiler", __VERSION__}};
}

}  // namespace conopa::train

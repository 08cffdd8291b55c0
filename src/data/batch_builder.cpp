#include "data/batch_builder.h"

#include <algorithm>
#include <span>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"

namespace conopa::data {

BatchBuilder::BatchBuilder(std::shared_ptr<const SampleSource> source, const Sampler& sampler,
                           const LoaderOptions& options)
    : source_(std::move(source)),
      sampler_(sampler),
      options_(options),
      steps_(batch_count(sampler.epoch_size(), options.batch, options.drop_last)),
      sample_floats_(element_count(source_->shape())) {
  if (steps_ == 0) {
    throw ConfigError("loader",
                      "expected at least one batch of {} per epoch, found {} samples; "
                      "lower the batch or keep the last incomplete one",
                      options_.batch, sampler.epoch_size());
  }
  if (options_.mixup.needs_targets() && dataset().num_classes() == 0) {
    throw ConfigError("loader",
                      "mixing and label smoothing need classes, the data has none; turn them off");
  }
  const auto batch = static_cast<std::size_t>(std::min(options_.batch, sampler.epoch_size()));
  pool_ = BufferPool::create(batch * static_cast<std::size_t>(sample_floats_),
                             static_cast<std::size_t>(options_.prefetch) + 2);
}

std::shared_ptr<const EpochPlan> BatchBuilder::plan(std::int64_t epoch) const {
  return std::make_shared<const EpochPlan>(
      EpochPlan{.epoch = epoch, .order = sampler_.order(epoch), .steps = steps_});
}

std::shared_ptr<BatchSlot> BatchBuilder::start(std::shared_ptr<const EpochPlan> plan,
                                               std::int64_t step) const {
  auto slot = std::make_shared<BatchSlot>();
  slot->step = step;
  slot->first = step * options_.batch;
  slot->count = std::min(options_.batch, plan->order.size() - slot->first);
  slot->plan = std::move(plan);
  slot->images = pool_->take();
  slot->labels.resize(static_cast<std::size_t>(slot->count));
  slot->indices.resize(static_cast<std::size_t>(slot->count));
  if (dataset().has_captions()) slot->captions.resize(static_cast<std::size_t>(slot->count));
  return slot;
}

void BatchBuilder::fill(BatchSlot& slot, std::int64_t i) const {
  const EpochPlan& plan = *slot.plan;
  const std::int64_t position = slot.first + i;
  Rng rng(static_cast<std::uint64_t>(options_.seed), RngPurpose::kAugment,
          static_cast<std::uint64_t>(plan.epoch),
          static_cast<std::uint64_t>(plan.order.global(position)));
  const std::span<float> out(slot.images.get() + i * sample_floats_,
                             static_cast<std::size_t>(sample_floats_));
  const SampleSource::Origin sample = source_->fill(plan.order[position], rng, out);
  slot.labels[static_cast<std::size_t>(i)] = sample.label;
  slot.indices[static_cast<std::size_t>(i)] = sample.index;
  if (!slot.captions.empty()) {
    slot.captions[static_cast<std::size_t>(i)] = dataset().caption(sample.index);
  }
}

Batch BatchBuilder::finish(BatchSlot& slot) const {
  const Shape& sample = source_->shape();  // ..., H, W
  const std::span<float> pixels(slot.images.get(),
                                static_cast<std::size_t>(slot.count * sample_floats_));
  Batch batch;
  batch.step = slot.step;
  if (options_.mixup.needs_targets()) {
    const SamplerOptions& shard = sampler_.options();
    Rng rng(static_cast<std::uint64_t>(options_.seed), RngPurpose::kMixup,
            static_cast<std::uint64_t>(slot.plan->epoch),
            static_cast<std::uint64_t>(slot.step * shard.world_size + shard.rank));
    const std::int64_t H = sample.at(sample.size() - 2);
    const std::int64_t W = sample.back();
    const std::vector<Mix> mixes = draw_mixes(options_.mixup, slot.count, H, W, rng);
    mix_images(mixes, sample_floats_ / (H * W), H, W, pixels);
    const std::int64_t classes = dataset().num_classes();
    batch.targets = HostTensor::zeros(DType::kF32, {slot.count, classes});
    soft_targets(mixes, slot.labels, classes, options_.mixup.label_smoothing,
                 batch.targets.mutable_data<float>());
  }
  Shape shape = sample;
  shape.insert(shape.begin(), slot.count);
  batch.images =
      HostTensor(DType::kF32, std::move(shape), std::as_bytes(pixels), std::move(slot.images));
  batch.labels = HostTensor::of<std::int64_t>(DType::kI64, {slot.count}, slot.labels);
  batch.indices = std::move(slot.indices);
  batch.captions = std::move(slot.captions);
  return batch;
}

}  // namespace conopa::data

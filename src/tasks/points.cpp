#include "conopa/tasks/points.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/eval/classification_meter.h"
#include "conopa/nn/convert.h"
#include "tasks/classify_all.h"

namespace conopa::tasks {

void PointsOptions::visit(FieldVisitor& v) {
  clouds.visit(v);
  v.field("smoothing", smoothing, "part of the target that goes to the other classes");
  vote.visit(v);
}

void PointsOptions::validate() const {
  clouds.validate();
  vote.validate();
  if (!(smoothing >= 0.0 && smoothing < 1.0)) {
    throw ConfigError("points", "smoothing must be at least 0 and below 1, got {}", smoothing);
  }
}

void PointsOptions::validate_for(const arch::EncoderSpec& spec) const {
  if (spec.input != arch::Input::kPoints) {
    throw ConfigError("train",
                      "task = \"points\" needs a model with input = \"points\", got \"{}\"; take a "
                      "preset such as point_bert_small",
                      enum_name(spec.input));
  }
}

PointsTask::PointsTask(nn::Encoder encoder, const PointsOptions& options)
    : encoder_(std::move(encoder)), options_(options) {
  options_.validate();
  options_.validate_for(spec());
  if (spec().num_classes < 1) {
    throw ConfigError("points", "the model has no head; set model.num_classes");
  }
}

StepOutput PointsTask::loss(const data::Batch& batch, const StepContext& context) {
  const nn::ForwardOptions forward{.exec = context.exec,
                                   .training = true,
                                   .mask_rate = context.mask_rate,
                                   .drop_path = context.drop_path,
                                   .random = context.random,
                                   .checkpoint_blocks = context.checkpoint_blocks};
  const at::Tensor pools = nn::view_as_torch(batch.images);
  Rng rng(context.random.seed, RngPurpose::kSample, context.random.step);
  const std::vector<std::int64_t> subset =
      points::random_subset(pools.size(1), spec().point.count, rng);
  const Shape shape{static_cast<std::int64_t>(subset.size())};
  const at::Tensor places = nn::to_torch(HostTensor::of<std::int64_t>(DType::kI64, shape, subset));
  const at::Device device = encoder_.parameters().device();
  const at::Tensor logits =
      encoder_.forward(pools.index_select(1, places).to(device), forward).logits;
  const at::Tensor labels = nn::view_as_torch(batch.labels).to(device);
  if (options_.smoothing <= 0.0 || logits.size(1) < 2) {
    return {nn::label_cross_entropy(logits, labels, 0.0, context.exec)};
  }
  const double other = options_.smoothing / static_cast<double>(logits.size(1) - 1);
  const at::Tensor targets = at::full(logits.sizes(), other, logits.detach().options())
                                 .scatter_(1, labels.unsqueeze(1), 1.0 - options_.smoothing);
  return {nn::soft_target_cross_entropy(logits, targets, context.exec)};
}

at::Tensor PointsTask::voted(const data::Batch& batch, std::int64_t run,
                             const nn::ForwardOptions& forward) const {
  const auto B = static_cast<std::size_t>(batch.size());
  const std::span pools = batch.images.data<float>();
  const std::size_t pool = pools.size() / B;
  const std::int64_t count = spec().point.count;
  at::Tensor sum;
  for (std::int64_t copy = 0; copy < options_.vote.copies; ++copy) {
    std::vector<float> clouds;
    for (std::size_t b = 0; b < B; ++b) {
      const std::vector<float> cloud =
          points::vote_cloud(pools.subspan(b * pool, pool), count, options_.clouds.augment,
                             options_.seed, {.run = run, .copy = copy, .cloud = batch.indices[b]});
      clouds.insert(clouds.end(), cloud.begin(), cloud.end());
    }
    const HostTensor input = HostTensor::of<float>(DType::kF32, {batch.size(), count, 3}, clouds);
    const at::Tensor logits =
        encoder_.forward(nn::to_torch(input).to(encoder_.parameters().device()), forward).logits;
    sum = sum.defined() ? sum + logits : logits;
  }
  return (sum / static_cast<double>(options_.vote.copies)).cpu().contiguous();
}

Evaluation PointsTask::evaluate(data::Loader& loader, const EvaluateOptions& options) {
  const std::int64_t classes = spec().num_classes;
  nn::ForwardOptions forward;
  forward.exec = options.exec;
  std::vector<eval::ClassificationMeter> votes(static_cast<std::size_t>(options_.vote.runs),
                                               eval::ClassificationMeter(classes));
  Evaluation out =
      classify_all(loader, options, classes, options_.top_k, [&](const data::Batch& batch) {
        for (std::size_t run = 0; run < votes.size(); ++run) {
          votes[run].add(nn::floats(voted(batch, static_cast<std::int64_t>(run), forward)),
                         batch.labels.data<std::int64_t>());
        }
        const at::Tensor first = nn::view_as_torch(batch.images).narrow(1, 0, spec().point.count);
        return encoder_.forward(first.to(encoder_.parameters().device()), forward)
            .logits.cpu()
            .contiguous();
      });
  if (votes.empty() || !out.complete) return out;
  double best = 0.0;
  for (const eval::ClassificationMeter& vote : votes) best = std::max(best, vote.result().top1);
  out.values.emplace_back("vote_top1", best);
  return out;
}

}  // namespace conopa::tasks

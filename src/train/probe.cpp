#include "conopa/train/probe.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/data/sampler.h"
#include "conopa/eval/classification_meter.h"
#include "conopa/io/safetensors.h"
#include "conopa/nn/convert.h"

namespace conopa::train {
namespace {

/// The family whose released heads set the names of head files, and their scheme.
constexpr std::string_view kHeadFamily = "aim_v1";
constexpr std::string_view kHeadScheme = "official";

/// Rows of a feature file as batches.
class Rows {
 public:
  Rows(const FeatureFile& file, at::Device device)
      : tokens_(nn::view_as_torch(file.tokens)),
        labels_(nn::to_torch(file.labels)),
        device_(device) {}

  [[nodiscard]] std::int64_t size() const { return tokens_.size(0); }

  // Tokens [B, N, D] float32 and labels [B] of these rows.
  [[nodiscard]] std::pair<at::Tensor, at::Tensor> at(std::vector<std::int64_t>& rows) const {
    const at::Tensor index =
        at::from_blob(rows.data(), {std::ssize(rows)}, at::TensorOptions().dtype(at::kLong));
    return {tokens_.index_select(0, index).to(device_).to(at::kFloat),
            labels_.index_select(0, index).to(device_)};
  }

 private:
  at::Tensor tokens_;  // of the mapping, never written
  at::Tensor labels_;
  at::Device device_;
};

/// All settings on one list of layers.
class Study {
 public:
  Study(const arch::EncoderSpec& spec, const ProbeFeatures& features, const ProbeOptions& options,
        at::Device device)
      : options_(options),
        classes_(spec.num_classes),
        train_(features.train, device),
        eval_(features.eval, device),
        batch_(std::min(options.batch, train_.size())),
        grid_(spec, settings(options), training(), device) {}

  // Mean losses of the last epoch.
  std::vector<double> train(const LayerList& layers, const ProbeProgress& progress);
  [[nodiscard]] std::vector<eval::ClassificationResult> evaluate() const;
  [[nodiscard]] const ProbeGrid& grid() const noexcept { return grid_; }

 private:
  static std::vector<ProbeSetting> settings(const ProbeOptions& options) {
    std::vector<ProbeSetting> out;
    for (const double lr : options.lr) {
      for (const double decay : options.weight_decay) out.push_back({lr, decay});
    }
    return out;
  }
  [[nodiscard]] std::int64_t steps() const { return train_.size() / batch_; }
  [[nodiscard]] ProbeTraining training() const {
    return {.epochs = options_.epochs,
            .steps_per_epoch = steps(),
            .warmup_epochs = options_.warmup_epochs,
            .lr_min = options_.lr_min,
            .clip_grad = options_.clip_grad,
            .seed = options_.seed};
  }

  const ProbeOptions& options_;
  std::int64_t classes_;
  Rows train_;
  Rows eval_;
  std::int64_t batch_;
  ProbeGrid grid_;
};

std::vector<double> Study::train(const LayerList& layers, const ProbeProgress& progress) {
  const data::Sampler sampler({.seed = static_cast<std::int64_t>(options_.seed)}, train_.size());
  std::vector<double> sums;
  for (std::int64_t epoch = 0; epoch < options_.epochs; ++epoch) {
    const data::EpochOrder order = sampler.order(epoch);
    sums.assign(static_cast<std::size_t>(grid_.size()), 0.0);
    for (std::int64_t step = 0; step < steps(); ++step) {
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < batch_; ++i) rows.push_back(order[step * batch_ + i]);
      const auto [tokens, labels] = train_.at(rows);
      const std::vector<double> losses = grid_.step(tokens, labels);
      for (std::size_t g = 0; g < sums.size(); ++g) sums[g] += losses[g];
      if (progress.stop && progress.stop()) {
        throw RunError("probe", "stopped in epoch {}; the cached features stay", epoch);
      }
    }
    for (double& sum : sums) sum /= static_cast<double>(steps());
    if (progress.epoch) progress.epoch(layers, epoch + 1, *std::ranges::min_element(sums));
  }
  return sums;
}

std::vector<eval::ClassificationResult> Study::evaluate() const {
  std::vector<eval::ClassificationMeter> meters(static_cast<std::size_t>(grid_.size()),
                                                eval::ClassificationMeter(classes_));
  for (std::int64_t first = 0; first < eval_.size(); first += batch_) {
    std::vector<std::int64_t> rows;
    for (std::int64_t i = first; i < std::min(first + batch_, eval_.size()); ++i) rows.push_back(i);
    const auto [tokens, labels] = eval_.at(rows);
    const at::Tensor logits = grid_.logits(tokens).cpu();
    const HostTensor truth = nn::to_host(labels);
    for (std::int64_t g = 0; g < grid_.size(); ++g) {
      const at::Tensor own = logits.select(0, g).contiguous();
      meters[static_cast<std::size_t>(g)].add(nn::floats(own), truth.data<std::int64_t>());
    }
  }
  std::vector<eval::ClassificationResult> out;
  for (const eval::ClassificationMeter& meter : meters) out.push_back(meter.result());
  return out;
}

bool better(const eval::ClassificationResult& a, const eval::ClassificationResult& b) {
  return a.top1 != b.top1 ? a.top1 > b.top1 : a.loss < b.loss;
}

void require(bool fits, std::string_view what) {
  if (!fits) throw ConfigError("probe", "{}", what);
}

}  // namespace

void ProbeOptions::validate() const {
  constexpr std::int64_t kMany = 1'000'000;
  const auto within = [](double low, double high) {
    return [low, high](double value) { return value >= low && value <= high; };
  };
  require(!layers.empty(), "expected layers, found none");
  require(!lr.empty() && std::ranges::all_of(lr, within(1e-12, 1e6)),
          "expected learning rates above 0");
  require(!weight_decay.empty() && std::ranges::all_of(weight_decay, within(0.0, 1e6)),
          "expected weight decays of at least 0");
  require(epochs >= 1 && epochs <= kMany, "expected epochs of at least 1");
  require(batch >= 2 && batch <= kMany, "expected a batch of at least 2 images");
  require(queries >= 1 && queries <= 4096, "expected 1 to 4096 queries");
  require(warmup_epochs >= 0.0 && warmup_epochs <= static_cast<double>(epochs),
          "expected a warm-up that ends within the epochs");
  require(lr_min >= 0.0 && clip_grad >= 0.0, "expected a rate and a norm of at least 0");
}

arch::EncoderSpec probed_encoder(arch::EncoderSpec spec) {
  if (spec.pyramid() || spec.input != arch::Input::kImage) {
    throw ConfigError("probe",
                      "expected a plain encoder of images; a pyramid is probed by its own read-out "
                      "(conopa train with trainable = \"head\")");
  }
  spec.num_classes = spec.projection = 0;
  spec.decoder = arch::Decoder::kNone;
  spec.neck = arch::Neck::kNone;
  spec.feature_blocks = {};
  spec.read_out = arch::ReadOut::kMean;
  spec.read_blocks = {};
  spec.head_norm = arch::HeadNorm::kNone;
  spec.head_bias = true;
  spec.pool_queries = 1;
  spec.pool_bias = false;
  if (spec.mask == arch::Mask::kPrefixCausal) spec.mask = arch::Mask::kBidirectional;
  spec.resolve();
  return spec;
}

arch::EncoderSpec probed_model(arch::EncoderSpec spec, const ProbeOptions& options,
                               const LayerList& layers, std::int64_t classes) {
  const bool attends = options.head == ProbeHead::kAttention;
  spec.num_classes = classes;
  spec.read_out = attends ? arch::ReadOut::kAttention : arch::ReadOut::kMean;
  spec.pool_queries = attends ? options.queries : 1;
  spec.read_blocks = layers;
  spec.head_norm = arch::HeadNorm::kBatch;
  spec.head_bias = !attends;  // as the released heads
  spec.resolve();
  return spec;
}

ProbeOutcome run_probe(const arch::EncoderSpec& encoder, std::int64_t classes,
                       const std::vector<ProbeFeatures>& features, const ProbeOptions& options,
                       const ProbeProgress& progress, at::Device device) {
  options.validate();
  ProbeOutcome out;
  for (std::size_t i = 0; i < options.layers.size(); ++i) {
    const LayerList& layers = options.layers[i];
    const arch::EncoderSpec spec = probed_model(encoder, options, layers, classes);
    Study study(spec, features.at(i), options, device);
    const std::vector<double> losses = study.train(layers, progress);
    std::vector<eval::ClassificationResult> results = study.evaluate();
    for (std::size_t g = 0; g < results.size(); ++g) {
      out.rows.push_back({.layers = layers,
                          .setting = study.grid().settings()[g],
                          .train_loss = losses[g],
                          .result = std::move(results[g])});
      const bool first = out.rows.size() == 1;
      if (!first && !better(out.rows.back().result, out.rows[out.best].result)) continue;
      out.best = out.rows.size() - 1;
      out.spec = spec;
      out.head = study.grid().head(static_cast<std::int64_t>(g));
    }
  }
  return out;
}

void write_probe_head(const std::filesystem::path& path,
                      const std::map<std::string, HostTensor>& head, const Metadata& metadata) {
  const arch::Family& family = arch::family(kHeadFamily);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : head) {
    HostTensor value = tensor;
    if (tensor.shape().empty()) {  // the count of batches, an integer there
      value = HostTensor::of<std::int64_t>(DType::kI64, {}, tensor.to_i64());
    }
    tensors.push_back({arch::to_foreign(family, kHeadScheme, name), std::move(value)});
  }
  write_safetensors(path, tensors, metadata);
}

}  // namespace conopa::train

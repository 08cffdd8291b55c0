#include "conopa/train/language_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "conopa/train/adamw.h"
#include "conopa/train/gradients.h"
#include "conopa/train/schedule.h"

namespace conopa::train {
namespace {

constexpr std::string_view kWhere = "train-lm";

template <typename T>
void require_range(std::string_view name, T value, T low, T high) {
  if (!(value >= low && value <= high)) {
    throw ConfigError(kWhere, "{} must be {} to {}, got {}", name, low, high, value);
  }
}

void check_model(const arch::EncoderSpec& spec) {
  if (spec.input == arch::Input::kTokens && spec.mask == arch::Mask::kCausal &&
      spec.num_classes == spec.vocabulary && spec.head_norm == arch::HeadNorm::kNone) {
    return;
  }
  throw ConfigError(kWhere,
                    "expected input = \"tokens\", mask = \"causal\" and a head over the vocabulary "
                    "of {}, got \"{}\", \"{}\" and {} classes; start from the preset lm_tiny",
                    spec.vocabulary, enum_name(spec.input), enum_name(spec.mask), spec.num_classes);
}

// Windows [B, N + 1] that begin at the given tokens.
at::Tensor windows(std::span<const std::int32_t> tokens, std::span<const std::int64_t> starts,
                   std::int64_t length) {
  HostTensor out = HostTensor::zeros(DType::kI64, {std::ssize(starts), length});
  const std::span<std::int64_t> values = out.mutable_data<std::int64_t>();
  for (std::size_t b = 0; b < starts.size(); ++b) {
    std::copy_n(tokens.begin() + starts[b], length,
                values.begin() + static_cast<std::ptrdiff_t>(b) * length);
  }
  return nn::to_torch(out);
}

std::vector<std::int64_t> random_starts(std::int64_t tokens, std::int64_t length,
                                        std::int64_t batch, std::int64_t seed, std::int64_t step) {
  std::vector<std::int64_t> out;
  for (std::int64_t b = 0; b < batch; ++b) {
    Rng rng(static_cast<std::uint64_t>(seed), RngPurpose::kShuffle,
            static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(b));
    const double place = rng.uniform(0.0, static_cast<double>(tokens - length + 1));
    out.push_back(std::min(static_cast<std::int64_t>(place), tokens - length));
  }
  return out;
}

// Loss over windows that are spread evenly.
double evaluate(const nn::Encoder& model, std::span<const std::int32_t> tokens,
                const LanguageModelOptions& options) {
  const at::NoGradGuard no_grad;
  const std::int64_t length = model.spec().width + 1;
  const std::int64_t last = std::ssize(tokens) - length;
  const std::int64_t count = std::min(options.eval_windows, last + 1);
  nn::ForwardOptions forward;
  forward.exec.precision = options.precision;
  double sum = 0.0;
  for (std::int64_t first = 0; first < count; first += options.batch) {
    std::vector<std::int64_t> starts;
    for (std::int64_t i = first; i < std::min(first + options.batch, count); ++i) {
      starts.push_back(count > 1 ? last * i / (count - 1) : 0);
    }
    const auto share = static_cast<double>(starts.size());
    sum += share * next_token_loss(model, windows(tokens, starts, length), forward).item<double>();
  }
  return sum / static_cast<double>(count);
}

}  // namespace

void LanguageModelOptions::validate() const {
  constexpr std::int64_t kMany = 1'000'000'000;
  require_range<std::int64_t>("steps", steps, 1, kMany);
  require_range<std::int64_t>("batch", batch, 1, 1'000'000);
  require_range("lr_peak", lr_peak, 0.0, 1e3);
  require_range("lr_final", lr_final, 0.0, 1e3);
  require_range<std::int64_t>("warmup", warmup, 0, steps);
  require_range("weight_decay", weight_decay, 0.0, 1e3);
  require_range("clip_grad", clip_grad, 0.0, 1e6);
  require_range("held_out", held_out, 0.001, 0.5);
  require_range<std::int64_t>("eval_every", eval_every, 0, kMany);
  require_range<std::int64_t>("eval_windows", eval_windows, 1, kMany);
  require_range<std::int64_t>("seed", seed, 0, std::int64_t{1} << 62);
}

at::Tensor next_token_loss(const nn::Encoder& model, const at::Tensor& tokens,
                           const nn::ForwardOptions& options) {
  const std::int64_t N = tokens.size(1) - 1;
  const at::Tensor rows = model.encode(tokens.narrow(1, 0, N).contiguous(), options);
  const at::Tensor logits = nn::linear(
      rows.reshape({-1, model.spec().dim}),
      model.parameters().require(std::string(arch::names::kHead) + ".weight"), {}, options.exec);
  const at::Tensor next = tokens.narrow(1, 1, N).reshape({-1}).contiguous();
  return nn::label_cross_entropy(logits.to(at::kFloat), next, 0.0, options.exec);
}

std::vector<LanguageModelPoint> train_language_model(
    nn::Encoder& model, std::span<const std::int32_t> tokens, const LanguageModelOptions& options,
    const std::function<bool(const LanguageModelPoint&)>& report) {
  options.validate();
  check_model(model.spec());
  const std::int64_t length = model.spec().width + 1;
  const auto kept =
      static_cast<std::int64_t>(options.held_out * static_cast<double>(tokens.size()));
  const auto held = std::max(kept, length);
  if (std::ssize(tokens) < 2 * length || std::ssize(tokens) - held < length) {
    throw ConfigError(kWhere, "the corpus must hold two windows of {} tokens, got {} tokens",
                      length, tokens.size());
  }
  const auto train = tokens.first(tokens.size() - static_cast<std::size_t>(held));
  const auto test = tokens.last(static_cast<std::size_t>(held));
  OptimOptions optim;
  optim.betas = {0.9, 0.95};
  AdamW optimizer(model.parameters(), optim);
  const std::vector<double> lr =
      lr_schedule({.mode = LrMode::kStep,
                   .peak = options.lr_peak,
                   .final = options.lr_final,
                   .warmup = {.epochs = static_cast<double>(options.warmup) /
                                        static_cast<double>(options.steps),
                              .start = 0.0}},
                  1, options.steps);
  std::vector<LanguageModelPoint> points;
  double sum = 0.0;
  std::int64_t since = 0;
  for (std::int64_t step = 0; step < options.steps; ++step) {
    nn::ForwardOptions forward;
    forward.training = true;
    forward.exec.precision = options.precision;
    const auto starts = random_starts(std::ssize(train), length, options.batch, options.seed, step);
    const at::Tensor loss = next_token_loss(model, windows(train, starts, length), forward);
    loss.backward();
    const double value = loss.item<double>();
    const double norm = gradient_norm(model.parameters()).item<double>();
    if (!std::isfinite(value) || !std::isfinite(norm)) {
      throw RunError(std::string(kWhere),
                     "the loss of step {} is not finite; lower the learning rate", step);
    }
    optimizer.step(lr[static_cast<std::size_t>(step)], options.weight_decay,
                   clip_factor(norm, options.clip_grad));
    model.parameters().zero_grad();
    sum += value;
    ++since;
    const bool last = step + 1 == options.steps;
    const bool due = options.eval_every > 0 && (step + 1) % options.eval_every == 0;
    if (!last && !due) continue;
    points.push_back({.step = step + 1,
                      .train_loss = sum / static_cast<double>(since),
                      .held_out_loss = evaluate(model, test, options)});
    sum = 0.0;
    since = 0;
    if (report && !report(points.back())) break;
  }
  return points;
}

std::vector<std::int64_t> continue_text(const nn::Encoder& model, std::vector<std::int64_t> tokens,
                                        std::int64_t count, double temperature,
                                        std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const std::int64_t context = model.spec().width;
  const at::Tensor head = model.parameters().require(std::string(arch::names::kHead) + ".weight");
  for (std::int64_t i = 0; i < count; ++i) {
    // What stands behind the last token is not seen by it.
    const std::int64_t used = std::min<std::int64_t>(context, std::ssize(tokens));
    HostTensor window = HostTensor::zeros(DType::kI64, {1, context});
    std::copy(tokens.end() - used, tokens.end(), window.mutable_data<std::int64_t>().begin());
    const at::Tensor row = model.encode(nn::to_torch(window), {}).select(1, used - 1);
    const at::Tensor logits = at::matmul(row, head.t()).squeeze(0);
    if (temperature <= 0.0) {
      tokens.push_back(logits.argmax().item<std::int64_t>());
      continue;
    }
    const at::Tensor weights = (logits / temperature).softmax(-1).contiguous();
    Rng rng(seed, RngPurpose::kSample, static_cast<std::uint64_t>(i), 0);
    double left = rng.uniform(0.0, 1.0);
    std::int64_t next = 0;
    for (const float weight : nn::floats(weights)) {
      left -= static_cast<double>(weight);
      if (left <= 0.0) break;
      ++next;
    }
    tokens.push_back(std::min(next, model.spec().vocabulary - 1));
  }
  return tokens;
}

llm::LmConfig language_config(const arch::EncoderSpec& spec) {
  llm::LmConfig config;
  config.dim = spec.dim;
  config.layers = spec.depth;
  config.heads = config.kv_heads = spec.heads;
  config.hidden = spec.mlp_hidden;
  config.vocabulary = spec.vocabulary;
  config.context = spec.width;
  config.norm_eps = spec.norm_eps;
  config.rope_theta = spec.rope_theta;
  return config;
}

}  // namespace conopa::train

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/llm/config.h"
#include "conopa/nn/encoder.h"
#include "conopa/nn/ops.h"

namespace conopa::train {

/// How a language model is trained: AdamW (0.9, 0.95) with warm-up and cosine on windows of the
/// corpus drawn at random by (seed, step).
struct LanguageModelOptions {
  std::int64_t steps = 2000;
  std::int64_t batch = 32;  ///< windows a step
  double lr_peak = 3e-3;
  double lr_final = 3e-4;
  std::int64_t warmup = 100;  ///< steps
  double weight_decay = 0.1;
  double clip_grad = 1.0;
  double held_out = 0.05;         ///< share of the tokens, at the end, that is never trained on
  std::int64_t eval_every = 200;  ///< steps; 0: at the end only
  std::int64_t eval_windows = 64;
  std::int64_t seed = 0;
  nn::Precision precision = nn::Precision::kBf16;

  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
};

/// One line of a run.
struct LanguageModelPoint {
  std::int64_t step = 0;       ///< done
  double train_loss = 0.0;     ///< mean over the steps since the last point, nats a token
  double held_out_loss = 0.0;  ///< nats a token
};

/// Mean cross entropy of the next token, nats.
/// @param tokens  [B, N + 1] int64: N inputs and what follows each of them.
/// @throws ShapeError as Encoder::encode.
[[nodiscard]] at::Tensor next_token_loss(const nn::Encoder& model, const at::Tensor& tokens,
                                         const nn::ForwardOptions& options);

/// Trains a causal token model from its present weights.
///
/// @param model   input = "tokens", mask = "causal", a head over the vocabulary.
/// @param tokens  the corpus, each in 0..vocabulary-1.
/// @param report  called at every evaluation; returns false to stop.
/// @return the points.
/// @throws ConfigError if the model is no such model or the corpus is shorter than two windows;
///         RunError if the loss is not finite.
[[nodiscard]] std::vector<LanguageModelPoint> train_language_model(
    nn::Encoder& model, std::span<const std::int32_t> tokens, const LanguageModelOptions& options,
    const std::function<bool(const LanguageModelPoint&)>& report);

/// Goes on with a text: `count` tokens drawn with the softmax at `temperature` (0: the likeliest).
/// Cost: a whole pass for every token.
[[nodiscard]] std::vector<std::int64_t> continue_text(const nn::Encoder& model,
                                                      std::vector<std::int64_t> tokens,
                                                      std::int64_t count, double temperature,
                                                      std::uint64_t seed);

/// What the spec is as a language model.
[[nodiscard]] llm::LmConfig language_config(const arch::EncoderSpec& spec);

}  // namespace conopa::train

#pragma once

#include "torch_parts.h"

namespace conopa::app {

/// Runs a recipe and prints its result.
int run_train(const Context& context, const TrainOptions& options);

/// Trains a grid of probes and writes the best as a model.
int run_probe(const Context& context, const ProbeCommand& options);

/// Trains a language model and writes it in three forms.
int run_train_lm(const Context& context, const LanguageCommand& options);

/// A network run by libtorch: its fused operations, or for layers() its stock ones, which share no
/// code with the native engine.
[[nodiscard]] std::unique_ptr<Network> make_torch_network(const StoredModel& model,
                                                          const arch::EncoderSpec& spec,
                                                          const EngineOptions& options);

}  // namespace conopa::app

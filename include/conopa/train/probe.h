#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/fields.h"
#include "conopa/data/open.h"
#include "conopa/eval/classification.h"
#include "conopa/io/tensor_source.h"
#include "conopa/nn/encoder.h"
#include "conopa/train/feature_cache.h"
#include "conopa/train/probe_grid.h"

namespace conopa::train {

/// What reads the frozen tokens.
enum class ProbeHead { kAttention, kLinear };

/// A probing study: every list of layers with every learning rate and weight decay.
struct ProbeOptions {
  ProbeHead head = ProbeHead::kAttention;
  std::vector<LayerList> layers = {{}};
  std::vector<double> lr = {1e-4, 3e-4, 1e-3};
  std::vector<double> weight_decay = {0.05, 0.1};
  std::int64_t epochs = 10;
  std::int64_t batch = 1024;
  std::int64_t queries = 1;  ///< of the attention head
  double warmup_epochs = 0.5;
  double lr_min = 1e-5;
  double clip_grad = 3.0;
  std::uint64_t seed = 0;

  /// @throws ConfigError naming what is out of range.
  void validate() const;
};

/// A trained head.
struct ProbeRow {
  LayerList layers;
  ProbeSetting setting;
  double train_loss = 0.0;  ///< mean of the last epoch
  eval::ClassificationResult result;
};

struct ProbeOutcome {
  std::vector<ProbeRow> rows;
  std::size_t best = 0;                    ///< highest top-1, then lowest loss
  arch::EncoderSpec spec;                  ///< of the model with the best head
  std::map<std::string, HostTensor> head;  ///< tensors of the best head, canonical names
};

/// What the caller is told while a study runs.
struct ProbeProgress {
  /// Epochs done of a list of layers, with the lowest mean loss among the heads.
  std::function<void(const LayerList& layers, std::int64_t epoch, double loss)> epoch;
  std::function<bool()> stop;  ///< asked between steps
};

/// The encoder alone, as probes see it: no head, decoder or neck, and without prefixes, under which
/// a prefix-causal model sees every token.
/// @throws ConfigError if the spec is a pyramid or reads tokens.
[[nodiscard]] arch::EncoderSpec probed_encoder(arch::EncoderSpec spec);

/// The model that a probe makes of an encoder.
/// @param encoder  from probed_encoder.
/// @throws ConfigError for layers that the encoder lacks or cannot be read at.
[[nodiscard]] arch::EncoderSpec probed_model(arch::EncoderSpec encoder, const ProbeOptions& options,
                                             const LayerList& layers, std::int64_t classes);

/// Features of both splits.
struct ProbeFeatures {
  FeatureFile train;
  FeatureFile eval;
};

/// Trains and evaluates all settings on the features of one list of layers; each batch is read once
/// for all of them.
/// @param features  one for each of options.layers.
/// @throws RunError if `stop` asked to end.
[[nodiscard]] ProbeOutcome run_probe(const arch::EncoderSpec& encoder, std::int64_t classes,
                                     const std::vector<ProbeFeatures>& features,
                                     const ProbeOptions& options, const ProbeProgress& progress,
                                     at::Device device = at::kCPU);

/// Writes the head under the names of Apple's AIM heads: `head.cls_token`, `head.k.weight`,
/// `head.v.weight`, `head.linear.weight`, `head.bn.*` (num_batches_tracked int64).
/// @throws IoError if the file cannot be written.
void write_probe_head(const std::filesystem::path& path,
                      const std::map<std::string, HostTensor>& head, const Metadata& metadata);

}  // namespace conopa::train

template <>
struct conopa::EnumNames<conopa::train::ProbeHead> {
  static constexpr std::array<std::string_view, 2> kNames = {"attention", "linear"};
};

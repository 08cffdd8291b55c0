#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "conopa/data/open.h"
#include "conopa/eval/classification.h"
#include "conopa/eval/sample_predictions.h"
#include "conopa/report/html.h"
#include "model_store.h"
#include "network.h"

namespace conopa::app {

/// What was typed after `conopa eval`.
struct EvalOptions {
  std::string model;
  std::string data;
  std::string kind = "auto";
  std::string split;
  std::string on_error = "error";
  std::string sizes;                  ///< empty: the model's own
  std::vector<std::string> settings;  ///< key=value for the spec
  std::string csv;
  std::string report;
  EngineOptions engine;
  std::int64_t batch = 128;
  std::int64_t limit = 0;

  /// How many predictions a report shows; none without one.
  [[nodiscard]] std::int64_t kept_samples() const { return report.empty() ? 0 : 24; }
};

/// One way to run a stored model: its weights under a spec and preprocessing that may differ from
/// the stored ones in image size and in whatever changes no weight but a position embedding.
struct EvalTarget {
  const StoredModel& model;
  arch::EncoderSpec spec;  ///< resolved
  image::EvalTransformOptions transform;
  std::string label;         ///< shown beside the progress
  std::int64_t samples = 0;  ///< predictions to keep for a report
};

struct EvalOutcome {
  eval::ClassificationResult result;
  std::vector<eval::SamplePrediction> samples;
  std::string engine;    ///< what ran the network
  double seconds = 0.0;  ///< of the pass over the data, decoding included
};

/// The spec to evaluate: that of the model with `--set` applied.
/// @throws ConfigError for settings that are unknown, wrong or set the size.
[[nodiscard]] arch::EncoderSpec evaluated_spec(const StoredModel& model,
                                               const EvalOptions& options);

/// Opens the dataset, whose classes have the given names; none: as the data has it.
/// @throws FormatError if it has no classes; as data::open_dataset.
[[nodiscard]] data::OpenedDataset open_labelled(const EvalOptions& options,
                                                const std::vector<std::string>& class_names);

/// Opens the dataset and checks it against the model.
/// @throws FormatError if it has more classes than the model.
[[nodiscard]] data::OpenedDataset open_eval_data(const EvalOptions& options,
                                                 const StoredModel& model);

/// Loads the weights and passes over the data once.
/// @throws FormatError if weights are missing or have another shape, UnsupportedError if the
///         engine cannot run the model.
[[nodiscard]] EvalOutcome evaluate(const Context& context, const EvalOptions& options,
                                   const EvalTarget& target,
                                   const std::shared_ptr<const data::Dataset>& dataset);

/// Scores of the classes for `count` images of a batch, as Network::logits.
using LogitsOf = std::function<std::vector<float>(const HostTensor& images, std::int64_t count)>;

/// One pass over a dataset.
struct EvalPass {
  std::shared_ptr<const data::Dataset> dataset;
  image::EvalTransformOptions transform;
  std::int64_t classes = 0;
  std::int64_t batch = 1;
  std::string label;         ///< shown beside the progress
  std::int64_t samples = 0;  ///< predictions to keep for a report
};

/// Passes over the data once and sums up; the caller names the engine.
[[nodiscard]] EvalOutcome pass_over(const Context& context, const EvalPass& pass,
                                    const LogitsOf& logits_of);

/// A report page with title, command, settings and environment; the caller adds the results.
/// @param model  folder that the title names.
[[nodiscard]] report::RunReport evaluation_page(const Context& context, const EvalOptions& options,
                                                const std::filesystem::path& model,
                                                const std::vector<std::string>& class_names);

/// Puts accuracies, engine and samples of an evaluation into its page.
void add_outcome(report::RunReport& page, const data::Dataset& dataset, const EvalOutcome& outcome);

/// Accuracies, classes and confusions as text on stdout.
void print_evaluation(const eval::ClassificationResult& result,
                      const std::vector<std::string>& class_names);

/// Adds --kind and --split.
void add_dataset_options(CLI::App& command, EvalOptions& options);

/// `conopa eval` without and with --sizes.
int run_eval(const Context& context, const EvalOptions& options);
int run_eval_sizes(const Context& context, const EvalOptions& options);

}  // namespace conopa::app

// One evaluation: dataset, weights, the pass over the images.

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "conopa/core/error.h"
#include "conopa/data/loader.h"
#include "eval.h"
#include "model_resize.h"
#include "program_version.h"
#include "settings.h"

#ifdef CONOPA_TRAIN
#include "conopa/nn/encoder.h"
#include "conopa/tasks/classify.h"
#include "conopa/tasks/runtime.h"
#endif

namespace conopa::app {
namespace {

constexpr std::string_view kSet = "--set";

#ifdef CONOPA_TRAIN

nn::Encoder load_encoder(const EvalTarget& target, const EvalOptions& options) {
  nn::Encoder encoder(target.spec, tasks::select_device(options.device));
  encoder.parameters().load(
      [&target](const std::string& name) -> std::optional<HostTensor> {
        if (!target.model.weights->contains(name)) return std::nullopt;
        return read_resized(*target.model.weights, target.model.spec, target.spec, name);
      },
      nn::LoadPolicy::kStrict, target.model.path.string());
  return encoder;
}

std::unique_ptr<Progress> make_progress(const Context& context, const EvalOptions& options,
                                        const EvalTarget& target, std::int64_t steps) {
  std::ostream* out = progress_stream(context);
  if (out == nullptr) return nullptr;
  ProgressOptions shown = detect_progress(STDERR_FILENO);
  shown.label = target.label;
  shown.unit = "images";
  shown.units_per_step = static_cast<double>(options.batch);
  return std::make_unique<Progress>(*out, steps, shown);
}

#endif

}  // namespace

arch::EncoderSpec evaluated_spec(const StoredModel& model, const EvalOptions& options) {
  for (const char* key : {"height", "width"}) {
    if (!sets_key(options.settings, key)) continue;
    throw ConfigError(kSet, "expected image sizes in --sizes, found {}; use --sizes HEIGHTxWIDTH",
                      key);
  }
  arch::EncoderSpec spec = model.spec;
  apply_settings(spec, options.settings, kSet);
  spec.resolve();
  if (spec.num_classes == 0) {
    throw UnsupportedError(options.model, "this model has no classification head");
  }
  return spec;
}

data::OpenedDataset open_eval_data(const EvalOptions& options, const StoredModel& model) {
  data::DataOptions data;
  data.path = options.data;
  data.kind = enum_from_name<data::DataKind>(options.kind).value();
  data.on_error = enum_from_name<data::OnError>(options.on_error).value();
  data.class_names = model.class_names;
  data.eval_limit = options.limit;
  if (!options.split.empty()) data.eval_split = options.split;
  data::OpenedDataset opened = data::open_dataset(data, data::Split::kEval);
  const auto classes = std::ssize(opened.dataset->class_names());
  if (classes > model.spec.num_classes) {
    throw FormatError(options.data,
                      "the dataset has {} classes, the model {}; it was trained on other data",
                      classes, model.spec.num_classes);
  }
  return opened;
}

#ifdef CONOPA_TRAIN

EvalOutcome evaluate(const Context& context, const EvalOptions& options, const EvalTarget& target,
                     const std::shared_ptr<const data::Dataset>& dataset) {
  tasks::set_compute_threads(options.threads);
  tasks::ClassifyTask task(load_encoder(target, options));
  data::Loader loader(dataset, image::make_eval_transform(target.transform),
                      data::Sampler({.order = data::SampleOrder::kSequential}, dataset->size()),
                      {.batch = options.batch});
  tasks::EvaluateOptions how;
  how.exec.precision = options.precision == "bf16" ? nn::Precision::kBf16 : nn::Precision::kFp32;
  how.samples = target.samples;
  const auto progress = make_progress(context, options, target, loader.steps_per_epoch());
  if (progress) {
    how.progress = [&progress](std::int64_t done, std::int64_t) { progress->update(done); };
  }
  const auto start = std::chrono::steady_clock::now();
  tasks::Evaluation evaluation = task.evaluate(loader, how);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  if (progress) progress->finish();
  EvalOutcome outcome{.result = std::move(evaluation.classification).value(),
                      .samples = {},
                      .seconds = taken.count()};
  for (tasks::SamplePrediction& sample : evaluation.samples) {
    outcome.samples.push_back({sample.index, sample.label, std::move(sample.top)});
  }
  return outcome;
}

#else

EvalOutcome evaluate(const Context&, const EvalOptions&, const EvalTarget&,
                     const std::shared_ptr<const data::Dataset>&) {
  throw UnsupportedError("eval", "this build has no executor; configure with -DCONOPA_TRAIN=ON");
}

#endif

report::RunReport evaluation_page(const Context& context, const EvalOptions& options,
                                  const StoredModel& model) {
  report::RunReport page;
  const std::filesystem::path path = model.path.lexically_normal();
  page.title = "Evaluation of " +
               (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
  page.class_names = model.class_names;
  page.command = context.command_line;
  report::KeyValueTable changed{.title = "Changed values", .rows = {}};
  for (const std::string& setting : options.settings) {
    const std::size_t equals = setting.find('=');
    changed.rows.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  if (!changed.rows.empty()) page.configuration.push_back(std::move(changed));
  page.environment = {
      {.title = "environment", .rows = {{"version", version_text()}, {"dataset", options.data}}}};
  return page;
}

}  // namespace conopa::app

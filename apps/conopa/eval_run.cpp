// One evaluation: dataset, weights, the pass over the images.

#include <chrono>
#include <memory>
#include <optional>

#include "conopa/core/error.h"
#include "conopa/data/loader.h"
#include "conopa/eval/classification_meter.h"
#include "eval.h"
#include "model_resize.h"
#include "program_version.h"
#include "settings.h"

namespace conopa::app {
namespace {

constexpr std::string_view kSet = "--set";
constexpr std::int64_t kShownClasses = 3;  // of a sample in the report

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

data::OpenedDataset open_labelled(const EvalOptions& options,
                                  const std::vector<std::string>& class_names) {
  data::DataOptions data;
  data.path = options.data;
  data.kind = enum_from_name<data::DataKind>(options.kind).value();
  data.on_error = enum_from_name<data::OnError>(options.on_error).value();
  data.class_names = class_names;
  data.eval_limit = options.limit;
  if (!options.split.empty()) data.eval_split = options.split;
  data::OpenedDataset opened = data::open_dataset(data, data::Split::kEval);
  if (opened.dataset->class_names().empty()) {
    throw FormatError(options.data, "expected labelled images, found captions; give classes");
  }
  return opened;
}

data::OpenedDataset open_eval_data(const EvalOptions& options, const StoredModel& model) {
  data::OpenedDataset opened = open_labelled(options, model.class_names);
  const auto classes = std::ssize(opened.dataset->class_names());
  if (classes > model.spec.num_classes) {
    throw FormatError(options.data,
                      "the dataset has {} classes, the model {}; it was trained on other data",
                      classes, model.spec.num_classes);
  }
  return opened;
}

EvalOutcome pass_over(const Context& context, const EvalPass& pass, const LogitsOf& logits_of) {
  const std::int64_t size = pass.dataset->size();
  data::Loader loader(pass.dataset, image::make_eval_transform(pass.transform),
                      data::Sampler({.order = data::SampleOrder::kSequential}, size),
                      {.batch = pass.batch});
  eval::ClassificationMeter meter(pass.classes);
  eval::SampleKeeper samples(pass.samples, size, kShownClasses);
  const auto progress = make_progress(context, pass.label, size);
  const auto start = std::chrono::steady_clock::now();
  std::int64_t done = 0;
  loader.begin_epoch(0);
  while (const std::optional<data::Batch> batch = loader.next()) {
    const std::vector<float> logits = logits_of(batch->images, batch->size());
    meter.add(logits, batch->labels.data<std::int64_t>());
    samples.add(logits, batch->indices, batch->labels.data<std::int64_t>());
    done += batch->size();
    if (progress) progress->update(done);
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  if (progress) progress->finish();
  return {
      .result = meter.result(), .samples = samples.take(), .engine = {}, .seconds = taken.count()};
}

EvalOutcome evaluate(const Context& context, const EvalOptions& options, const EvalTarget& target,
                     const std::shared_ptr<const data::Dataset>& dataset) {
  const ComputeThreads threads(options.engine);
  const std::unique_ptr<Network> network =
      make_network(context, target.model, target.spec, options.engine, options.batch);
  const EvalPass pass{.dataset = dataset,
                      .transform = target.transform,
                      .classes = target.spec.num_classes,
                      .batch = options.batch,
                      .label = target.label,
                      .samples = target.samples};
  EvalOutcome outcome =
      pass_over(context, pass, [&network](const HostTensor& images, std::int64_t count) {
        return network->logits(images, count);
      });
  outcome.engine = network->description();
  return outcome;
}

report::RunReport evaluation_page(const Context& context, const EvalOptions& options,
                                  const std::filesystem::path& model,
                                  const std::vector<std::string>& class_names) {
  report::RunReport page;
  const std::filesystem::path path = model.lexically_normal();
  page.title = "Evaluation of " +
               (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
  page.class_names = class_names;
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

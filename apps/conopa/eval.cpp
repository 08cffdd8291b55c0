// conopa eval: measure a model on a labelled dataset.

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/data/loader.h"
#include "conopa/data/open.h"
#include "conopa/io/atomic_file.h"
#include "conopa/report/html.h"
#include "model_store.h"
#include "program_version.h"

#ifdef CONOPA_TRAIN
#include "conopa/nn/encoder.h"
#include "conopa/tasks/classify.h"
#include "conopa/tasks/runtime.h"
#endif

namespace conopa::app {
namespace {

struct Options {
  std::string model;
  std::string data;
  std::string kind = "auto";
  std::string split;
  std::string on_error = "error";
  std::string precision = "fp32";
  std::string report;
  std::string device = "auto";
  std::int64_t batch = 128;
  std::int64_t threads = 0;
  std::int64_t limit = 0;
  std::int64_t worst = 5;
};

#ifdef CONOPA_TRAIN

using Json = nlohmann::ordered_json;

data::OpenedDataset open_data(const Options& options, const StoredModel& model) {
  data::DataOptions data;
  data.path = options.data;
  data.kind = enum_from_name<data::DataKind>(options.kind).value();
  data.on_error = enum_from_name<data::OnError>(options.on_error).value();
  data.class_names = model.class_names;
  data.limit = options.limit;
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

nn::Encoder load_encoder(const StoredModel& model, const Options& options) {
  nn::Encoder encoder(model.spec, tasks::select_device(options.device));
  encoder.parameters().load(
      [&](const std::string& name) -> std::optional<HostTensor> {
        if (!model.weights->contains(name)) return std::nullopt;
        return model.weights->read(name);
      },
      nn::LoadPolicy::kStrict, model.path.string());
  return encoder;
}

void print_result(const Options& options, const eval::ClassificationResult& r,
                  const std::vector<std::string>& names) {
  fmt::print("images  {}\ntop-1   {:.2f} %\ntop-{}   {:.2f} %\nloss    {:.4f}\nECE     {:.4f}\n",
             r.samples, 100.0 * r.top1, r.top_k, 100.0 * r.top5, r.loss, r.calibration.ece);
  if (r.non_finite > 0) {
    fmt::print("non-finite logits in {} images, counted as wrong\n", r.non_finite);
  }
  fmt::print("\n{:<16} {:>7} {:>9} {:>9}\n", "class", "images", "recall", "precision");
  for (std::size_t k = 0; k < r.classes.size(); ++k) {
    const eval::ClassScores& scores = r.classes[k];
    const auto percent = [](std::optional<double> share) {
      return share ? fmt::format("{:.1f} %", 100.0 * *share) : std::string("-");
    };
    if (r.num_classes > 100) break;  // the report and --json hold the long lists
    fmt::print("{:<16} {:>7} {:>9} {:>9}\n", class_name(names, static_cast<std::int64_t>(k)),
               scores.support, percent(scores.recall()), percent(scores.precision()));
  }
  fmt::print("\nmost frequent confusions\n");
  for (const eval::ConfusedPair& pair : r.worst_pairs(static_cast<std::size_t>(options.worst))) {
    fmt::print("  {} taken for {}: {}\n", class_name(names, pair.truth),
               class_name(names, pair.predicted), pair.count);
  }
}

void write_report(const Context& context, const Options& options, const StoredModel& model,
                  const data::Dataset& dataset, const tasks::Evaluation& evaluation) {
  report::RunReport page;
  page.title = "Evaluation of " + model.path.filename().string();
  page.key_numbers = report::key_numbers(*evaluation.classification);
  page.evaluation = evaluation.classification;
  page.class_names = model.class_names;
  page.command = context.command_line;
  page.environment = {
      {.title = "environment", .rows = {{"version", version_text()}, {"dataset", options.data}}}};
  for (const tasks::SamplePrediction& sample : evaluation.samples) {
    report::ReportSample picture{.image = dataset.get(sample.index).image,
                                 .name = dataset.name(sample.index),
                                 .truth = class_name(model.class_names, sample.label),
                                 .top = {}};
    for (const auto& [index, probability] : sample.top) {
      picture.top.push_back({class_name(model.class_names, index), probability});
    }
    page.samples.push_back(std::move(picture));
  }
  write_file_atomically(options.report, report::render_report(page));
}

int run(const Context& context, const Options& options) {
  const StoredModel model = open_model(options.model);
  if (model.spec.num_classes == 0) {
    throw UnsupportedError(options.model, "this model has no classification head");
  }
  const data::OpenedDataset opened = open_data(options, model);
  tasks::set_compute_threads(options.threads);
  data::Loader loader(
      opened.dataset, image::make_eval_transform(model.transform),
      data::Sampler({.order = data::SampleOrder::kSequential}, opened.dataset->size()),
      {.batch = options.batch});
  tasks::ClassifyTask task(load_encoder(model, options));
  tasks::EvaluateOptions how;
  how.exec.precision = options.precision == "bf16" ? nn::Precision::kBf16 : nn::Precision::kFp32;
  how.samples = options.report.empty() ? 0 : 24;
  std::unique_ptr<Progress> progress;
  if (std::ostream* out = progress_stream(context)) {
    ProgressOptions shown = detect_progress(STDERR_FILENO);
    shown.label = "eval";
    shown.unit = "images";
    shown.units_per_step = static_cast<double>(options.batch);
    progress = std::make_unique<Progress>(*out, loader.steps_per_epoch(), shown);
    how.progress = [&progress](std::int64_t done, std::int64_t) { progress->update(done); };
  }
  const tasks::Evaluation evaluation = task.evaluate(loader, how);
  if (progress) progress->finish();
  if (opened.broken && opened.broken->count() > 0) {
    log_warning("{} broken images were skipped", opened.broken->count());
  }
  if (!options.report.empty()) write_report(context, options, model, *opened.dataset, evaluation);
  if (context.json) {
    fmt::print("{}\n", Json::parse(eval::to_json(*evaluation.classification)).dump());
  } else {
    print_result(options, *evaluation.classification, model.class_names);
  }
  return 0;
}

#else

int run(const Context&, const Options&) {
  throw UnsupportedError("eval", "this build has no executor; configure with -DCONOPA_TRAIN=ON");
}

#endif

}  // namespace

void add_eval(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "eval", "measure a model on a labelled dataset",
                  "conopa eval runs/fmnist/model --data /usr/share/datasets/fashion-mnist");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model or run folder")->required();
  command->add_option("-d,--data", options->data, "dataset folder or list file")->required();
  command->add_option("--kind", options->kind, "auto, idx, cifar10, cifar100, image_folder or list")
      ->check(CLI::IsMember({"auto", "idx", "cifar10", "cifar100", "image_folder", "list"}))
      ->capture_default_str();
  command->add_option("--split", options->split,
                      "split to use (default: the dataset's test split)");
  command->add_option("--on-error", options->on_error, "broken images: error or skip")
      ->check(CLI::IsMember({"error", "skip"}))
      ->capture_default_str();
  command->add_option("-b,--batch", options->batch, "images per batch")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->capture_default_str();
  command->add_option("--precision", options->precision, "fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "compute threads; 0 = one per core");
  command->add_option("--device", options->device, "auto, cpu or cuda")->capture_default_str();
  command->add_option("--limit", options->limit, "use this many images only; 0 = all");
  command->add_option("--report", options->report, "write a self-contained HTML report");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app

// What `conopa probe` does.

#include "conopa/train/probe.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/core/signal.h"
#include "conopa/io/atomic_file.h"
#include "conopa/report/html.h"
#include "conopa/tasks/runtime.h"
#include "conopa/train/options.h"
#include "model_store.h"
#include "model_text.h"
#include "probe_layers.h"
#include "program_version.h"
#include "settings.h"
#include "torch/parts.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;

constexpr double kWarmupShare = 0.05;  // of the epochs, unless --warmup says otherwise
constexpr std::int64_t kFeatureBatch = 64;

data::DataOptions data_options(const ProbeCommand& options) {
  data::DataOptions out;
  if (!options.recipe.empty()) {
    Config config = Config::load(options.recipe, {});
    config.read_section("data", out);
  }
  if (!options.data.empty()) out.path = options.data;
  if (out.path.empty() && out.mixture.empty()) {
    throw UsageError("--data", "expected a dataset in --data or a --recipe, found neither");
  }
  return out;
}

train::ProbeOptions probe_options(const ProbeCommand& options, const arch::EncoderSpec& spec) {
  train::ProbeOptions out;
  out.head = enum_from_name<train::ProbeHead>(options.head).value();
  out.layers = probe_layers(spec, options.layers);
  out.lr = number_list("--lr", options.lr);
  out.weight_decay = number_list("--wd", options.weight_decay);
  out.epochs = options.epochs;
  out.batch = options.batch;
  out.queries = options.queries;
  out.warmup_epochs =
      options.warmup < 0.0 ? kWarmupShare * static_cast<double>(options.epochs) : options.warmup;
  out.seed = static_cast<std::uint64_t>(options.seed);
  out.validate();
  return out;
}

/// A probing study from the words of the command to its files.
class ProbeRun {
 public:
  ProbeRun(const Context& context, const ProbeCommand& options)
      : context_(context),
        options_(options),
        model_(open_model(options.model)),
        spec_(encoder_spec()),
        probe_(probe_options(options, chosen_)),
        encoder_(spec_, tasks::select_device(options.device)) {
    const data::DataOptions data = data_options(options);
    train_ = data::open_dataset(data, data::Split::kTrain);
    eval_ = data::open_dataset(data, data::Split::kEval);
    check_classes();
    // Layers that cannot be read are refused before any image is.
    for (const train::LayerList& layers : probe_.layers) {
      static_cast<void>(train::probed_model(spec_, probe_, layers, classes()));
    }
    encoder_.parameters().load(
        [this](const std::string& name) -> std::optional<HostTensor> {
          if (!model_.weights->contains(name)) return std::nullopt;
          return model_.weights->read(name);
        },
        nn::LoadPolicy::kStrict, model_.path.string());
  }

  int run() {
    const train::ProbeOutcome outcome =
        train::run_probe(spec_, classes(), features(), probe_,
                         {.epoch = [this](const auto& layers, std::int64_t epoch,
                                          double loss) { show_epoch(layers, epoch, loss); },
                          .stop = [this] { return stop_.requested(); }},
                         encoder_.parameters().device());
    write(outcome);
    print(outcome);
    return 0;
  }

 private:
  // The encoder to run, with --set applied; chosen_ keeps the model's own layers.
  arch::EncoderSpec encoder_spec() {
    arch::EncoderSpec spec = model_.spec;
    for (const char* key : {"height", "width", "depth", "dim"}) {
      if (sets_key(options_.set, key)) {
        throw ConfigError("--set", "{} belongs to the weights; use conopa resize for sizes", key);
      }
    }
    apply_settings(spec, options_.set, "--set");
    chosen_ = spec;
    return train::probed_encoder(spec);
  }
  [[nodiscard]] std::int64_t classes() const { return train_.dataset->num_classes(); }
  void check_classes() const {
    if (classes() < 2 || eval_.dataset->num_classes() > classes()) {
      throw FormatError("probe",
                        "expected at least 2 classes, and no more in the evaluation split; found "
                        "{} and {}",
                        classes(), eval_.dataset->num_classes());
    }
  }

  [[nodiscard]] std::vector<train::FeatureFile> features_of(const data::OpenedDataset& data,
                                                            train::FeatureOptions options) const {
    const auto progress =
        make_progress(context_, "features of " + data.split, data.dataset->size());
    options.progress = [&progress](std::int64_t done, std::int64_t) {
      if (progress) progress->update(done);
    };
    return train::cached_features(encoder_, data, probe_.layers, options);
  }
  [[nodiscard]] std::vector<train::ProbeFeatures> features() const {
    train::FeatureOptions options;
    options.folder =
        options_.cache.empty() ? fs::path(options_.out) / "cache" : fs::path(options_.cache);
    options.transform = model_.transform;
    options.means = probe_.head == train::ProbeHead::kLinear;
    options.dtype = options_.dtype == "f32" ? DType::kF32 : DType::kBF16;
    options.batch = kFeatureBatch;
    options.exec.precision = enum_from_name<nn::Precision>(options_.precision).value();
    options.stop = [this] { return stop_.requested(); };
    const std::vector<train::FeatureFile> eval = features_of(eval_, options);
    options.flip = options_.augment == "flip";
    const std::vector<train::FeatureFile> train = features_of(train_, options);
    std::vector<train::ProbeFeatures> out;
    for (std::size_t i = 0; i < train.size(); ++i) out.push_back({train[i], eval[i]});
    return out;
  }

  void show_epoch(const train::LayerList& layers, std::int64_t epoch, double loss) const {
    if (context_.quiet) return;
    log_info("layers {}: epoch {}/{}, lowest training loss {:.4f}", train::layers_text(layers),
             epoch, probe_.epochs, loss);
  }

  [[nodiscard]] static report::TextTable table(const train::ProbeOutcome& outcome) {
    report::TextTable out{.title = "Probes",
                          .header = {"layers", "lr", "wd", "top1", "top5", "loss", "train_loss"}};
    for (const train::ProbeRow& row : outcome.rows) {
      out.rows.push_back(
          {train::layers_text(row.layers), fmt::format("{:g}", row.setting.lr),
           fmt::format("{:g}", row.setting.weight_decay), fmt::format("{:.4f}", row.result.top1),
           fmt::format("{:.4f}", row.result.top5), fmt::format("{:.4f}", row.result.loss),
           fmt::format("{:.4f}", row.train_loss)});
    }
    return out;
  }
  [[nodiscard]] static std::string best_text(const train::ProbeRow& best) {
    return fmt::format("layers {}, lr {:g}, wd {:g}", train::layers_text(best.layers),
                       best.setting.lr, best.setting.weight_decay);
  }

  [[nodiscard]] std::string card(const train::ProbeOutcome& outcome) const {
    const train::ProbeRow& best = outcome.rows[outcome.best];
    return origin_card(
        options_.out, outcome.spec,
        {.statement = fmt::format(
             "The frozen encoder of `{}` with the best of {} probes ({} head; {}): top-1 {:.2f} % "
             "on the {} split, which also chose it.",
             model_.path.lexically_normal().filename().string(), outcome.rows.size(), options_.head,
             best_text(best), 100.0 * best.result.top1, eval_.split),
         .details = {},
         .command_line = context_.command_line});
  }
  void write_model(const train::ProbeOutcome& outcome) const {
    NewModel model{.spec = outcome.spec,
                   .transform = model_.transform,
                   .class_names = train_.dataset->class_names(),
                   .tensors = {},
                   .readme = card(outcome)};
    for (const arch::TensorEntry& entry : encoder_.parameters().table().entries()) {
      model.tensors.push_back({entry.name, model_.weights->read(entry.name)});
    }
    for (const auto& [name, tensor] : outcome.head) model.tensors.push_back({name, tensor});
    save_model(fs::path(options_.out) / "model", model, options_.force);
  }
  void write_report(const train::ProbeOutcome& outcome) const {
    const eval::ClassificationResult& best = outcome.rows[outcome.best].result;
    report::RunReport page;
    page.title = "Probe of " + model_.path.lexically_normal().filename().string();
    page.subtitle = best_text(outcome.rows[outcome.best]);
    page.key_numbers = report::key_numbers(best);
    page.sections.push_back(
        {.title = "Probes", .note = "all on the same frozen features", .tables = {table(outcome)}});
    page.evaluation_title = eval_.split + " split";
    page.evaluation = best;
    page.class_names = train_.dataset->class_names();
    page.command = context_.command_line;
    page.generator = version_text();
    write_file_atomically(fs::path(options_.out) / "report.html", report::render_report(page));
  }
  void write(const train::ProbeOutcome& outcome) const {
    const fs::path folder = options_.out;
    write_model(outcome);
    write_file_atomically(folder / "probe.csv", report::table_csv(table(outcome)));
    const train::ProbeRow& best = outcome.rows[outcome.best];
    train::write_probe_head(folder / "head.safetensors", outcome.head,
                            {{"format", "pt"}, {"layers", train::layers_text(best.layers)}});
    write_report(outcome);
  }

  void print(const train::ProbeOutcome& outcome) const {
    const train::ProbeRow& best = outcome.rows[outcome.best];
    if (context_.json) {
      nlohmann::ordered_json rows = nlohmann::ordered_json::array();
      for (const train::ProbeRow& row : outcome.rows) {
        rows.push_back({{"layers", row.layers},
                        {"lr", row.setting.lr},
                        {"wd", row.setting.weight_decay},
                        {"top1", row.result.top1},
                        {"top5", row.result.top5},
                        {"loss", row.result.loss}});
      }
      const nlohmann::ordered_json json{
          {"out", options_.out}, {"best", outcome.best}, {"rows", rows}};
      fmt::print("{}\n", json.dump());
      return;
    }
    fmt::print("{}\nbest        {}: top-1 {:.2f} %\nmodel       {}\nreport      {}\n",
               report::table_text(table(outcome)), best_text(best), 100.0 * best.result.top1,
               (fs::path(options_.out) / "model").string(),
               (fs::path(options_.out) / "report.html").string());
  }

  const Context& context_;
  const ProbeCommand& options_;
  StopRequest stop_;
  StoredModel model_;
  arch::EncoderSpec chosen_;
  arch::EncoderSpec spec_;
  train::ProbeOptions probe_;
  nn::Encoder encoder_;
  data::OpenedDataset train_;
  data::OpenedDataset eval_;
};

}  // namespace

int run_probe(const Context& context, const ProbeCommand& options) {
  tasks::set_compute_threads(options.threads);
  ensure_directory(options.out);
  check_output_folder(fs::path(options.out) / "model", options.force);
  return ProbeRun(context, options).run();
}

}  // namespace conopa::app

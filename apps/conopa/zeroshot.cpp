// conopa zeroshot: classes that are described by texts alone.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/data/class_names.h"
#include "conopa/eval/zero_shot.h"
#include "conopa/io/atomic_file.h"
#include "conopa/report/table.h"
#include "eval.h"
#include "image_reader.h"
#include "predictions.h"
#include "zeroshot_pair.h"
#include "zeroshot_prompts.h"

namespace conopa::app {
namespace {

constexpr std::int64_t kBatch = 16;

struct Options {
  ImageOptions images;
  EvalOptions eval;  ///< model (the pair), data, engine, report
  std::string vocabulary;
  std::string classes;
  std::string templates;
  std::string format = "text";
  std::int64_t top = 5;

  [[nodiscard]] bool labelled() const { return !eval.data.empty(); }

  /// @throws UsageError for options that do not go together.
  void validate() const;
};

void Options::validate() const {
  if (labelled() == !images.inputs.empty()) {
    throw UsageError("zeroshot", "expected images to classify, or labelled ones in --data; give {}",
                     labelled() ? "one of both" : "either");
  }
  if (!labelled() && classes.empty()) {
    throw UsageError("--classes",
                     "expected a file of class names, one a line; only --data has "
                     "names of its own");
  }
  if (!labelled() && !eval.report.empty()) {
    throw UsageError("--report", "expected labelled images in --data, whose accuracy it shows");
  }
}

/// A pair whose classes are known.
class Classifier {
 public:
  Classifier(const Context& context, const Options& options, const OpenedPair& pair,
             std::vector<std::string> names)
      : names_(std::move(names)),
        width_(pair.width()),
        scale_(eval::similarity_scale(pair.folder.logit_scale)) {
    const std::unique_ptr<text::Tokenizer> tokenizer = open_vocabulary(pair, options.vocabulary);
    const PromptOptions prompts{.classes = names_,
                                .templates = options.templates.empty()
                                                 ? std::vector{std::string(kPlainTemplate)}
                                                 : read_templates(options.templates)};
    rows_ = class_vectors(context, pair, *tokenizer, prompts, options.eval.engine);
    network_ = make_network(context, pair.image, pair.image.spec, options.eval.engine,
                            options.images.batch);
  }

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] std::string description() const { return network_->description(); }
  [[nodiscard]] std::vector<float> logits(const HostTensor& images, std::int64_t count) {
    return eval::similarity_logits(network_->logits(images, count), rows_, width_, scale_);
  }

 private:
  std::vector<std::string> names_;
  std::int64_t width_;
  double scale_;
  std::vector<float> rows_;
  std::unique_ptr<Network> network_;
};

std::vector<std::string> listed_classes(const Options& options) {
  return options.classes.empty() ? std::vector<std::string>()
                                 : data::read_name_lines(options.classes);
}

void print(const Options& options, const Classifier& classifier, const ImageInput& input,
           std::span<const float> logits) {
  const std::vector<eval::Prediction> top = eval::top_classes(logits, options.top);
  const ImagePredictions image{.file = input.name, .top = top, .class_names = classifier.names()};
  fmt::print("{}", options.format == "json"  ? predictions_json(image)
                   : options.format == "csv" ? predictions_csv(image)
                                             : predictions_text(image));
}

int run_images(const Context& context, const Options& options, const OpenedPair& pair) {
  ImageReader reader(options.images, pair.image.transform);
  Classifier classifier(context, options, pair, listed_classes(options));
  const auto classes = classifier.names().size();
  if (options.format == "csv") fmt::print("{}\n", kPredictionColumns);
  const auto use = [&](const ImageBatch& batch) {
    const std::vector<float> logits = classifier.logits(batch.pixels, batch.size());
    for (std::size_t i = 0; i < batch.good.size(); ++i) {
      print(options, classifier, *batch.good[i], std::span(logits).subspan(i * classes, classes));
    }
  };
  return reader.for_each(use, [](std::int64_t) {
    // Readers of a pipe get each batch as soon as it is done.
    if (std::fflush(stdout) != 0) throw IoError("stdout", "cannot write the predictions");
  });
}

void print_accuracy(const Options& options, const eval::ClassificationResult& result,
                    const std::vector<std::string>& names) {
  if (options.format == "json") {
    nlohmann::ordered_json json = nlohmann::ordered_json::parse(eval::to_json(result));
    json["class_names"] = names;
    fmt::print("{}\n", json.dump());
  } else if (options.format == "csv") {
    const report::TextTable table{
        .header = {"classes", "images", "top1", "top_k", "topk", "loss", "ece"},
        .rows = {{std::to_string(result.num_classes), std::to_string(result.samples),
                  fmt::format("{:.6g}", result.top1), std::to_string(result.top_k),
                  fmt::format("{:.6g}", result.top5), fmt::format("{:.6g}", result.loss),
                  fmt::format("{:.6g}", result.calibration.ece)}}};
    fmt::print("{}", report::table_csv(table));
  } else {
    print_evaluation(result, names);
  }
}

int run_labelled(const Context& context, const Options& options, const OpenedPair& pair) {
  EvalOptions choice = options.eval;
  choice.on_error = options.images.on_error == "skip" ? "skip" : "error";
  const data::OpenedDataset opened = open_labelled(choice, {});
  Classifier classifier(
      context, options, pair,
      classes_for_data(listed_classes(options), opened.dataset->class_names(), options.classes));
  const EvalPass pass{.dataset = opened.dataset,
                      .transform = pair.image.transform,
                      .classes = std::ssize(classifier.names()),
                      .batch = options.images.batch,
                      .label = "zeroshot",
                      .samples = choice.kept_samples()};
  EvalOutcome outcome =
      pass_over(context, pass, [&classifier](const HostTensor& images, std::int64_t count) {
        return classifier.logits(images, count);
      });
  outcome.engine = classifier.description();
  if (opened.broken && opened.broken->count() > 0) {
    log_warning("{} broken images were skipped", opened.broken->count());
  }
  if (!choice.report.empty()) {
    report::RunReport page = evaluation_page(context, choice, pair.folder.path, classifier.names());
    add_outcome(page, *opened.dataset, outcome);
    write_file_atomically(choice.report, report::render_report(page));
  }
  print_accuracy(options, outcome.result, classifier.names());
  return 0;
}

int run(const Context& context, Options options) {
  options.validate();
  if (context.json) options.format = "json";
  const OpenedPair pair = open_pair(options.eval.model);
  const ComputeThreads threads(options.eval.engine);
  return options.labelled() ? run_labelled(context, options, pair)
                            : run_images(context, options, pair);
}

void add_class_options(CLI::App& command, Options& options) {
  command
      .add_option("--vocab", options.vocabulary,
                  "vocabulary of the text model: CLIP's list of merges (plain or .gz), "
                  "tokenizer.json, or a folder with vocab.json and merges.txt")
      ->required();
  command.add_option("-c,--classes", options.classes,
                     "file of class names, one a line; without it those of --data");
  command.add_option("-t,--templates", options.templates,
                     fmt::format("file of texts, one a line, with {{}} for the name (default: "
                                 "\"{}\"); a class is the mean of its texts",
                                 kPlainTemplate));
}

void add_data_options(CLI::App& command, Options& options) {
  command.add_option("-d,--data", options.eval.data,
                     "labelled images to measure the accuracy on: dataset folder or list file");
  add_dataset_options(command, options.eval);
  command.add_option("--limit", options.eval.limit, "use this many images of --data; 0 = all");
  command.add_option("--report", options.eval.report, "write a self-contained HTML report");
}

}  // namespace

void add_zeroshot(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "zeroshot", "classify images by texts, with a pair of an image and a text model",
      "conopa zeroshot pair photos/ --vocab merges.txt --classes names.txt --top 3\n"
      "  conopa zeroshot pair --vocab merges.txt --data pets --templates prompts.txt "
      "--report pets.html");
  auto options = std::make_shared<Options>();
  options->images.batch = kBatch;
  command->add_option("pair", options->eval.model, "folder of the pair, as conopa import makes it")
      ->required();
  add_image_options(*command, options->images);
  command->get_option("inputs")->required(false);
  add_class_options(*command, *options);
  add_data_options(*command, *options);
  command->add_option("-k,--top", options->top, "classes to show per image")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  command
      ->add_option("--format", options->format,
                   "text, csv or json (as --json; a line per image, or one object with --data)")
      ->check(CLI::IsMember({"text", "csv", "json"}))
      ->capture_default_str();
  command
      ->add_option("--precision", options->eval.engine.precision,
                   "of matrix products: auto, fp32, bf16 or int8")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int8"}))
      ->capture_default_str();
  add_threads_option(*command, options->eval.engine.threads);
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app

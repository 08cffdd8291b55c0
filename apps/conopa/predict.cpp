// conopa predict: the classes of images.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/system.h"
#include "conopa/eval/top_classes.h"
#include "image_reader.h"
#include "model_resize.h"
#include "network.h"
#include "own_sizes.h"
#include "predictions.h"

namespace conopa::app {
namespace {

struct Options {
  std::string model;
  ImageOptions images;
  std::int64_t top = 5;
  std::string size;  ///< empty: the model's own
  EngineOptions engine;
};

void print(const Context& context, const Options& options, const StoredModel& model,
           const ImageInput& input, std::span<const float> logits) {
  const std::vector<eval::Prediction> top = eval::top_classes(logits, options.top);
  const ImagePredictions image{.file = input.name, .top = top, .class_names = model.class_names};
  fmt::print("{}", context.json ? predictions_json(image) : predictions_text(image));
}

// On a terminal the results themselves show how far it is.
std::unique_ptr<Progress> progress_of(const Context& context, const Options& options,
                                      std::int64_t images) {
  if (images <= options.images.batch || is_terminal(STDOUT_FILENO)) return nullptr;
  return make_progress(context, "predict", images);
}

// Readers of a pipe get each batch as soon as it is done.
std::function<void(std::int64_t)> flush_and_show(Progress* progress) {
  return [progress](std::int64_t done) {
    if (std::fflush(stdout) != 0) throw IoError("stdout", "cannot write the predictions");
    if (progress != nullptr) progress->update(done);
  };
}

int run_one_size(const Context& context, const Options& options, const StoredModel& model) {
  const arch::EncoderSpec spec = spec_at(model, options.size);
  const std::unique_ptr<Network> network =
      make_network(context, model, spec, options.engine, options.images.batch);
  ImageReader reader(options.images, resized_transform(model.transform, model.spec, spec));
  const std::unique_ptr<Progress> progress = progress_of(context, options, reader.total());
  const auto use = [&](const ImageBatch& batch) {
    const std::vector<float> logits = network->logits(batch.pixels, batch.size());
    const std::size_t classes = logits.size() / batch.good.size();
    for (std::size_t i = 0; i < batch.good.size(); ++i) {
      print(context, options, model, *batch.good[i],
            std::span(logits).subspan(i * classes, classes));
    }
  };
  const int code = reader.for_each(use, flush_and_show(progress.get()));
  if (progress) progress->finish();
  return code;
}

int run_own_sizes(const Context& context, const Options& options, const StoredModel& model) {
  OwnSizes sizes(model, options.engine);
  ImageReader reader(options.images, model.transform);
  const std::unique_ptr<Progress> progress = progress_of(context, options, reader.total());
  const auto classes = static_cast<std::size_t>(model.spec.outputs());
  const auto logits_of = [classes](engine::Session& session, const EqualImages& batch) {
    std::vector<float> logits(batch.places.size() * classes);
    session.run(batch.pixels.data<float>(), batch.size(), {.logits = logits});
    return logits;
  };
  const auto use = [&](std::span<const SizedImage> images) {
    const std::vector<float> logits = sizes.rows(images, logits_of);
    for (std::size_t i = 0; i < images.size(); ++i) {
      print(context, options, model, *images[i].input,
            std::span(logits).subspan(i * classes, classes));
    }
  };
  const int code = reader.for_each_sized(model.spec.patch, use, flush_and_show(progress.get()));
  if (progress) progress->finish();
  return code;
}

int run(const Context& context, const Options& options) {
  prepare_engine(context, options.engine);
  const StoredModel model = open_model(options.model);
  require_classifier(model);
  const ComputeThreads threads(options.engine);
  return options.size == kOwnSizes ? run_own_sizes(context, options, model)
                                   : run_one_size(context, options, model);
}

}  // namespace

void add_predict(CLI::App& root, Context& context) {
  CLI::App* command = add_command(root, "predict", "classify images with a trained model",
                                  "conopa predict runs/fmnist photo.png folder/ --top 3\n"
                                  "  find . -name '*.jpg' | conopa predict MODEL --list - --json");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  add_image_options(*command, options->images);
  command->add_option("-k,--top", options->top, "classes to show per image")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--size", options->size, kSizeHelp);
  add_engine_options(*command, options->engine);
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app

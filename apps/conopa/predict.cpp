// conopa predict: the classes of images.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"
#include "conopa/core/system.h"
#include "conopa/eval/top_classes.h"
#include "conopa/image/codec.h"
#include "image_inputs.h"
#include "model_store.h"
#include "predictor.h"

namespace conopa::app {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> inputs;
  bool list = false;
  std::int64_t top = 5;
  std::int64_t batch = 16;
  std::string on_error = "stop";
  PredictorOptions predictor;
};

/// A batch under way: images that could be read stand first in `pixels`.
struct Batch {
  HostTensor pixels;  // [B, C, H, W]
  std::vector<const ImageInput*> good;
};

class Run {
 public:
  Run(const Context& context, const Options& options)
      : context_(context),
        options_(options),
        model_(open_model(options.model)),
        transform_(image::make_eval_transform(model_.transform)),
        predictor_(model_, options.predictor) {}

  int operator()();

 private:
  [[nodiscard]] image::Image decode(const ImageInput& input) const;
  [[nodiscard]] Batch read_batch(std::span<const ImageInput> inputs);
  void print(const ImageInput& input, std::span<const float> logits) const;
  [[nodiscard]] std::optional<Progress> make_progress(std::int64_t images) const;

  const Context& context_;
  const Options& options_;
  StoredModel model_;
  std::unique_ptr<image::Transform> transform_;
  Predictor predictor_;
  std::int64_t skipped_ = 0;
};

image::Image Run::decode(const ImageInput& input) const {
  if (!input.from_stdin) return image::decode_file(input.name);
  return image::decode(read_stream(std::cin), "stdin");
}

Batch Run::read_batch(std::span<const ImageInput> inputs) {
  const auto count = static_cast<std::int64_t>(inputs.size());
  Shape shape = transform_->output_shape();
  const auto size = static_cast<std::size_t>(element_count(shape));
  shape.insert(shape.begin(), count);
  Batch batch{.pixels = HostTensor::zeros(DType::kF32, shape), .good = {}};
  const std::span<float> all = batch.pixels.mutable_data<float>();
  std::vector<std::exception_ptr> errors(inputs.size());
  parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      try {
        Rng unused(0, RngPurpose::kSample);  // the evaluation transform draws nothing
        transform_->apply(decode(inputs[i]), unused, all.subspan(i * size, size));
      } catch (const Error&) {
        errors[i] = std::current_exception();
      }
    }
  });
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (errors[i]) {
      try {
        std::rethrow_exception(errors[i]);
      } catch (const Error& error) {
        if (options_.on_error == "stop") throw;
        log_warning("skipped: {}", error.what());
        ++skipped_;
        continue;
      }
    }
    const std::span<const float> from = all.subspan(i * size, size);
    const std::size_t place = batch.good.size() * size;
    if (place != i * size) std::copy(from.begin(), from.end(), all.subspan(place).begin());
    batch.good.push_back(&inputs[i]);
  }
  return batch;
}

void Run::print(const ImageInput& input, std::span<const float> logits) const {
  const std::vector<eval::Prediction> top = eval::top_classes(logits, options_.top);
  if (!context_.json) {
    fmt::print("{}\n", input.name);
    for (const eval::Prediction& p : top) {
      fmt::print("  {:6.2f} %  {:>4}{}{}\n", 100.0 * p.probability, p.index,
                 model_.class_names.empty() ? "" : "  ",
                 model_.class_names.empty() ? "" : class_name(model_.class_names, p.index));
    }
    return;
  }
  using Json = nlohmann::ordered_json;
  Json line{{"file", input.name}, {"predictions", Json::array()}};
  for (const eval::Prediction& p : top) {
    line["predictions"].push_back({{"class", class_name(model_.class_names, p.index)},
                                   {"index", p.index},
                                   {"probability", p.probability}});
  }
  // File names need not be UTF-8.
  fmt::print("{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// On a terminal the results themselves show how far it is.
std::optional<Progress> Run::make_progress(std::int64_t images) const {
  std::ostream* stream = progress_stream(context_);
  if (stream == nullptr || images <= options_.batch || is_terminal(STDOUT_FILENO)) return {};
  ProgressOptions options = detect_progress(STDERR_FILENO);
  options.label = "predict";
  options.unit = "images";
  return std::optional<Progress>(std::in_place, *stream, images, std::move(options));
}

int Run::operator()() {
  const std::vector<ImageInput> inputs =
      collect_images(options_.inputs, {.lists = options_.list}, std::cin);
  const auto total = static_cast<std::int64_t>(inputs.size());
  std::optional<Progress> progress = make_progress(total);
  for (std::int64_t first = 0; first < total; first += options_.batch) {
    const std::int64_t count = std::min(options_.batch, total - first);
    const Batch batch = read_batch(std::span(inputs).subspan(static_cast<std::size_t>(first),
                                                             static_cast<std::size_t>(count)));
    const auto good = static_cast<std::int64_t>(batch.good.size());
    if (good > 0) {
      const std::vector<float> logits = predictor_.logits(batch.pixels, good);
      const std::size_t classes = logits.size() / batch.good.size();
      for (std::size_t i = 0; i < batch.good.size(); ++i) {
        print(*batch.good[i], std::span(logits).subspan(i * classes, classes));
      }
    }
    // Readers of a pipe get each batch as soon as it is done.
    if (std::fflush(stdout) != 0) throw IoError("stdout", "cannot write the predictions");
    if (progress) progress->update(first + count);
  }
  if (progress) progress->finish();
  if (skipped_ > 0) log_warning("{} of {} images were skipped", skipped_, total);
  return skipped_ == total ? static_cast<int>(ExitCode::kBadData) : 0;
}

}  // namespace

void add_predict(CLI::App& root, Context& context) {
  CLI::App* command = add_command(root, "predict", "classify images with a trained model",
                                  "conopa predict runs/fmnist photo.png folder/ --top 3\n"
                                  "  find . -name '*.jpg' | conopa predict MODEL --list - --json");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  command
      ->add_option("inputs", options->inputs,
                   "images, folders of images, or - for one image on standard input")
      ->required();
  command->add_flag("-l,--list", options->list,
                    "inputs are lists of paths, one a line (- = standard input)");
  command->add_option("-k,--top", options->top, "classes to show per image")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("-b,--batch", options->batch, "images per forward pass")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->capture_default_str();
  command->add_option("--threads", options->predictor.threads, "compute threads; 0 = one per core")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4096}))
      ->capture_default_str();
  command->add_option("--precision", options->predictor.precision, "fp32 or bf16 products")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  command->add_option("--device", options->predictor.device, "auto, cpu, cuda or cuda:N")
      ->capture_default_str();
  command
      ->add_option("--on-error", options->on_error,
                   "unreadable images: stop, or skip and list them")
      ->check(CLI::IsMember({"stop", "skip"}))
      ->capture_default_str();
  command->callback([&context, options] {
    context.action = [&context, options] { return Run(context, *options)(); };
  });
}

}  // namespace conopa::app

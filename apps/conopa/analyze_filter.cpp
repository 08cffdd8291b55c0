// conopa analyze filter: which tokens a model brings forward, layer by layer.

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "analyze.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/image/codec.h"
#include "conopa/image/denormalize.h"
#include "conopa/io/atomic_file.h"
#include "filter_masks.h"
#include "filter_study.h"
#include "image_reader.h"
#include "model_resize.h"

namespace conopa::app {
namespace {

struct Options {
  std::string model;
  ImageOptions images;
  std::string masks;
  std::string out;
  std::string layers;
  std::string mean = "all";
  std::string size;
  std::int64_t pictures = 64;
  bool force = false;
  EngineOptions engine;
};

/// A pass over the images.
class Study {
 public:
  Study(const Context& context, const Options& options, const StoredModel& model,
        const arch::EncoderSpec& spec)
      : context_(context),
        options_(options),
        spec_(spec),
        transform_(resized_transform(model.transform, model.spec, spec)),
        reader_(options.images, transform_),
        mean_(enum_from_name<eval::MeanOver>(options.mean).value()) {
    if (!options.masks.empty()) {
      masks_.emplace(options.masks, transform_);
      masks_->require(reader_.names());
    }
    network_ = make_network(context, model, spec, options.engine, options.images.batch);
    choose_layers();
  }

  int run();
  [[nodiscard]] const std::vector<FilterScore>& scores() const noexcept { return scores_; }
  [[nodiscard]] const std::vector<std::string>& layers() const noexcept { return layers_; }
  [[nodiscard]] std::int64_t images() const noexcept { return images_; }
  [[nodiscard]] std::int64_t without_object() const noexcept { return without_object_; }

 private:
  void choose_layers();
  void use(const ImageBatch& batch);
  void use(const ImageBatch& batch, std::int64_t index, std::span<const LayerValues> values);

  const Context& context_;
  const Options& options_;
  const arch::EncoderSpec& spec_;
  image::EvalTransformOptions transform_;
  ImageReader reader_;
  std::optional<MaskFolder> masks_;
  std::unique_ptr<Network> network_;
  eval::MeanOver mean_ = eval::MeanOver::kAll;
  std::vector<std::string> layers_;  // the baseline's last
  std::vector<FilterScore> scores_;
  std::int64_t images_ = 0;
  std::int64_t without_object_ = 0;
};

void Study::choose_layers() {
  const std::vector<std::string> names = network_->capture_names();
  layers_ = chosen_filter_layers(options_.layers, names);
  const std::optional<std::string> attention = baseline_attention(names);
  if (attention && spec_.class_token_in_blocks()) {
    layers_.push_back(*attention);
  } else if (masks_ && spec_.class_token_in_blocks() && options_.engine.native()) {
    log_info(
        "no attention to compare with: the native engine does not keep it; use --engine torch");
  }
}

int Study::run() {
  const auto progress = make_progress(context_, "filter", reader_.total());
  const int code = reader_.for_each([this](const ImageBatch& batch) { use(batch); },
                                    [&](std::int64_t done) {
                                      if (progress) progress->update(done);
                                    });
  if (progress) progress->finish();
  if (without_object_ > 0) {
    log_warning("{} of {} masks cover no token by half; these images are left out of the means",
                without_object_, images_);
  }
  return code;
}

void Study::use(const ImageBatch& batch) {
  const std::vector<LayerValues> values = network_->captures(batch.pixels, batch.size(), layers_);
  for (std::int64_t i = 0; i < batch.size(); ++i) use(batch, i, values);
}

void Study::use(const ImageBatch& batch, std::int64_t index, std::span<const LayerValues> values) {
  const std::string& name = batch.good[static_cast<std::size_t>(index)]->name;
  const std::vector<Activation> activations = activations_of(values, index, name, spec_, mean_);
  std::vector<std::vector<std::uint8_t>> masks;
  if (masks_) {
    auto found = token_masks(activations, masks_->coverage(name), spec_);
    if (found) masks = std::move(*found);
    if (!found) ++without_object_;
  }
  for (std::size_t k = 0; k < masks.size(); ++k) {
    scores_.push_back({.image = name,
                       .layer = activations[k].layer,
                       .kind = activations[k].kind,
                       .score = eval::pseudo_mask_score(activations[k].map, masks[k])});
  }
  if (images_ < options_.pictures) {
    const HostTensor one = batch.pixels.rows(index, 1);
    const image::Image picture = image::denormalize(
        one.reshaped({one.dim(1), one.dim(2), one.dim(3)}), transform_.mean, transform_.std);
    const std::string stem = std::filesystem::path(name).stem().string();
    write_file_atomically(
        std::filesystem::path(options_.out) / fmt::format("{:04}-{}.png", images_, stem),
        image::encode_png(filter_picture(picture, activations, masks)));
  }
  ++images_;
}

void print_result(const Context& context, const Options& options, const Study& study,
                  const std::vector<FilterMean>& means) {
  if (context.json) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const FilterMean& mean : means) {
      rows.push_back({{"layer", mean.layer},
                      {"kind", enum_name(mean.kind)},
                      {"miou", mean.miou},
                      {"images", mean.images}});
    }
    const nlohmann::ordered_json json{{"out", options.out},
                                      {"images", study.images()},
                                      {"without_object", study.without_object()},
                                      {"layers", study.layers()},
                                      {"means", std::move(rows)}};
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  if (!means.empty()) fmt::print("{}\n", report::table_text(mean_table(means)));
  fmt::print("written  {} ({} images{})\n", options.out, study.images(),
             means.empty() ? "" : ", scores.csv, means.csv");
}

int run_filter(const Context& context, const Options& options) {
  prepare_engine(context, options.engine);
  check_output_folder(options.out, options.force);
  const StoredModel model = open_model(options.model);
  const arch::EncoderSpec spec = spec_at(model, options.size);
  if (spec.input == arch::Input::kTokens) {
    throw UnsupportedError(options.model, "expected a model of images, found one of words");
  }
  const ComputeThreads threads(options.engine);
  Study study(context, options, model, spec);
  ensure_directory(options.out);
  if (const int code = study.run(); code != 0) return code;
  const std::vector<FilterMean> means = filter_means(study.scores());
  if (!options.masks.empty()) {
    const std::filesystem::path folder = options.out;
    write_file_atomically(folder / "scores.csv", report::table_csv(score_table(study.scores())));
    write_file_atomically(folder / "means.csv", report::table_csv(mean_table(means)));
  }
  print_result(context, options, study, means);
  return 0;
}

void add_filter_options(CLI::App& command, Options& options) {
  command.add_option("--masks", options.masks,
                     "folder of PNG masks named as the images; not black is the object");
  command.add_option("-o,--out", options.out, "folder to write pictures and tables into")
      ->required();
  command.add_option("--layers", options.layers,
                     "layers separated by commas (default: around the frozen language block, else "
                     "the last blocks)");
  command
      .add_option("--mean", options.mean,
                  "what tokens are compared with: the mean of all, or of their column")
      ->check(CLI::IsMember({"all", "column"}))
      ->capture_default_str();
  command.add_option("--size", options.size,
                     "input size instead of the model's: pixels, or HEIGHTxWIDTH");
  command.add_option("--pictures", options.pictures, "draw the first images only")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_engine_options(command, options.engine);
  command.add_flag("-f,--force", options.force, "write into a folder that has content");
}

}  // namespace

void add_analyze_filter(CLI::App& analyze, Context& context) {
  CLI::App* command = add_command(
      analyze, "filter",
      "show which tokens stand out in magnitude and frequency, and score them against masks",
      "conopa analyze filter MODEL photos/ --masks masks/ --out filter --engine torch");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  add_image_options(*command, options->images);
  add_filter_options(*command, *options);
  command->callback([&context, options] {
    context.action = [&context, options] { return run_filter(context, *options); };
  });
}

}  // namespace conopa::app

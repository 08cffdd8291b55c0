// conopa analyze: pictures of what a model computes.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "analyze.h"
#include "conopa/core/error.h"
#include "conopa/engine/session.h"
#include "conopa/eval/pca.h"
#include "conopa/image/codec.h"
#include "conopa/image/denormalize.h"
#include "conopa/io/atomic_file.h"
#include "conopa/report/feature_rgb.h"
#include "conopa/report/plot.h"
#include "image_reader.h"
#include "layer_choice.h"
#include "model_resize.h"
#include "network.h"

namespace conopa::app {
namespace {

constexpr std::int64_t kMostValues = std::int64_t{1} << 29;  // of features in memory: 2 GiB
constexpr std::int64_t kColours = 3;

struct Options {
  std::string model;
  ImageOptions images;
  std::string out;
  std::string layer{kFinalLayer};
  std::string size;
  bool force = false;
  EngineOptions engine;
};

/// The patch tokens of a layer as a map.
struct PatchMap {
  engine::LayerInfo layer;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t first = 0;  ///< 1 behind a class token in front

  [[nodiscard]] std::int64_t patches() const noexcept { return rows * cols; }
};

PatchMap map_of(const engine::Model& model, const std::string& word) {
  PatchMap out{.layer = find_layer(model, word)};
  const arch::EncoderSpec& spec = model.spec();
  for (const arch::Stage& stage : spec.stages()) {
    const std::int64_t others = out.layer.tokens - stage.tokens();  // class token
    if (stage.dim != out.layer.width || others < 0 || others > 1) continue;
    out.rows = stage.rows;
    out.cols = stage.cols;
    out.first = others == 1 && spec.class_token != arch::ClassToken::kBack ? 1 : 0;
    return out;
  }
  throw UnsupportedError("--layer", "the tokens of {} are no map of patches; choose another layer",
                         out.layer.name);
}

/// What was read: pictures as the model sees them, and the features of their patches.
struct Collected {
  std::vector<std::string> names;
  std::vector<image::Image> pictures;
  std::vector<float> features;  ///< [images, patches, width]
};

int collect(const Context& context, const Options& options, engine::Session& session,
            const PatchMap& map, const image::EvalTransformOptions& transform, Collected& out) {
  ImageReader reader(options.images, transform);
  if (reader.total() > kMostValues / (map.patches() * map.layer.width)) {
    throw ConfigError("analyze", "expected at most {} images of {} patches, got {}; pass fewer",
                      kMostValues / (map.patches() * map.layer.width), map.patches(),
                      reader.total());
  }
  const engine::Observer observer = [&](const engine::LayerRows& rows) {
    if (rows.name != map.layer.name) return;
    for (std::int64_t image = 0; image < rows.images; ++image) {
      for (std::int64_t patch = 0; patch < map.patches(); ++patch) {
        const std::span<const float> row = rows.row(image, map.first + patch);
        out.features.insert(out.features.end(), row.begin(), row.end());
      }
    }
  };
  const auto progress = make_progress(context, "features", reader.total());
  const int code = reader.for_each(
      [&](const ImageBatch& batch) {
        const HostTensor images = batch.pixels.rows(0, batch.size());
        session.run(images.data<float>(), batch.size(), {}, observer);
        for (std::int64_t i = 0; i < batch.size(); ++i) {
          const HostTensor image = batch.pixels.rows(i, 1);
          out.pictures.push_back(
              image::denormalize(image.reshaped({image.dim(1), image.dim(2), image.dim(3)}),
                                 transform.mean, transform.std));
          out.names.push_back(batch.good[static_cast<std::size_t>(i)]->name);
        }
      },
      [&](std::int64_t done) {
        if (progress) progress->update(done);
      });
  if (progress) progress->finish();
  return code;
}

void write_picture(const std::filesystem::path& path, const image::Image& picture) {
  write_file_atomically(path, image::encode_png(picture));
}

// One file per image, numbered so that equal names do not meet, and all of them in one.
void write_pictures(const std::filesystem::path& folder, const Collected& collected,
                    const std::vector<image::Image>& maps) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw IoError(folder.string(), "cannot make the folder: {}", error.message());
  std::vector<image::Image> all;
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const std::string stem = std::filesystem::path(collected.names[i]).stem().string();
    const image::Image pair = report::image_grid({collected.pictures[i], maps[i]}, 2);
    write_picture(folder / fmt::format("{:04}-{}.png", i, stem), pair);
    all.push_back(pair);
  }
  const std::int64_t columns = std::min<std::int64_t>(4, std::ssize(all));
  write_picture(folder / "grid.png", report::image_grid(all, columns, 6));
}

void print_result(const Context& context, const Options& options, const PatchMap& map,
                  const Collected& collected, const eval::PcaBasis& basis) {
  std::vector<double> shares;
  for (const double variance : basis.variances) {
    shares.push_back(basis.total_variance > 0.0 ? variance / basis.total_variance : 0.0);
  }
  if (context.json) {
    const nlohmann::ordered_json json{
        {"out", options.out},       {"images", collected.names.size()},
        {"layer", map.layer.name},  {"rows", map.rows},
        {"cols", map.cols},         {"width", map.layer.width},
        {"variance_shares", shares}};
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print(
      "layer       {}, {}x{} patches of {} numbers\n"
      "colours     {:.1f} % of the variance (red {:.1f}, green {:.1f}, blue {:.1f})\n"
      "written     {} ({} images, grid.png)\n",
      map.layer.name, map.rows, map.cols, map.layer.width,
      100 * (shares[0] + shares[1] + shares[2]), 100 * shares[0], 100 * shares[1], 100 * shares[2],
      options.out, collected.names.size());
}

int run_features(const Context& context, const Options& options) {
  check_output_folder(options.out, options.force);
  const StoredModel stored = open_model(options.model);
  const arch::EncoderSpec spec = spec_at(stored, options.size);
  const ComputeThreads threads(options.engine);
  const engine::Model model = load_native(
      stored, spec, enum_from_name<engine::Precision>(options.engine.precision).value());
  const PatchMap map = map_of(model, options.layer);
  engine::Session session(model, {.threads = static_cast<int>(options.engine.threads),
                                  .max_batch = native_batch(spec, options.images.batch)});
  const image::EvalTransformOptions transform =
      resized_transform(stored.transform, stored.spec, spec);
  Collected collected;
  if (const int code = collect(context, options, session, map, transform, collected); code != 0) {
    return code;
  }
  const eval::PcaBasis basis =
      eval::principal_components(collected.features, map.layer.width, kColours);
  const std::vector<float> components = eval::project(collected.features, basis);
  const std::vector<image::Image> maps = report::feature_rgb({.components = components,
                                                              .images = std::ssize(collected.names),
                                                              .rows = map.rows,
                                                              .cols = map.cols},
                                                             spec.width, spec.height);
  write_pictures(options.out, collected, maps);
  print_result(context, options, map, collected, basis);
  return 0;
}

void add_analyze_features(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "features", "show the patches of a layer as colours: principal components of features",
      "conopa analyze features MODEL photos/ --out pca --layer 5");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  add_image_options(*command, options->images);
  command->add_option("-o,--out", options->out, "folder to write PNG files into")->required();
  command->add_option("--layer", options->layer, kLayerHelp)->capture_default_str();
  command
      ->add_option("--precision", options->engine.precision,
                   "of matrix products: auto, fp32, bf16 or int8")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int8"}))
      ->capture_default_str();
  command->add_option("--size", options->size,
                      "input size instead of the model's: pixels, or HEIGHTxWIDTH");
  add_threads_option(*command, options->engine.threads);
  command->add_flag("-f,--force", options->force, "write into a folder that has content");
  command->callback([&context, options] {
    context.action = [&context, options] { return run_features(context, *options); };
  });
}

}  // namespace

void add_analyze(CLI::App& root, Context& context) {
  CLI::App* command = add_command(root, "analyze", "pictures of what a model computes",
                                  "conopa analyze features MODEL photos/ --out pca");
  command->require_subcommand(1);
  add_analyze_features(*command, context);
  add_analyze_filter(*command, context);
}

}  // namespace conopa::app

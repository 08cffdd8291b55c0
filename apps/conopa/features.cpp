// conopa features: what a model computes for images, as a file of numbers.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "conopa/arch/encoder_spec.h"
#include "conopa/core/error.h"
#include "conopa/core/system.h"
#include "conopa/engine/session.h"
#include "conopa/io/row_file.h"
#include "image_reader.h"
#include "layer_choice.h"
#include "model_resize.h"
#include "network.h"
#include "own_sizes.h"

namespace conopa::app {
namespace {

struct Options {
  std::string model;
  ImageOptions images;
  std::string out;
  std::string layer{kFinalLayer};
  std::string kind = "pooled";
  std::string size;
  bool force = false;
  EngineOptions engine;
};

/// What is written of which layer.
struct Wanted {
  engine::LayerInfo layer;
  bool tokens = false;  ///< every token, not one vector an image
  bool head_input = false;
  Shape row;  ///< of an image
};

Wanted resolve(const engine::Model& model, const Options& options) {
  Wanted wanted{.layer = find_layer(model, options.layer), .row = {}};
  const arch::EncoderSpec& spec = model.spec();
  wanted.tokens = options.kind == "tokens";
  const bool last = wanted.layer.name == model.layers().back().name;
  wanted.head_input = last && !wanted.tokens;
  if (!wanted.tokens && !last && spec.read_out == arch::ReadOut::kToken &&
      !spec.class_token_in_blocks()) {
    throw ConfigError("--kind",
                      "expected tokens for the layer {}: the class token joins behind the last "
                      "block, so there is nothing to pool by; add --kind tokens",
                      wanted.layer.name);
  }
  wanted.row =
      wanted.tokens ? Shape{wanted.layer.tokens, wanted.layer.width} : Shape{wanted.layer.width};
  return wanted;
}

/// One row of the file per image of the running batch.
class Collector {
 public:
  Collector(arch::EncoderSpec spec, Wanted wanted)
      : spec_(std::move(spec)), wanted_(std::move(wanted)) {}

  /// @param images  [B, C, H, W], of which the first `count` are used.
  [[nodiscard]] std::span<const float> run(engine::Session& session, const HostTensor& images,
                                           std::int64_t count);

 private:
  void keep(const engine::LayerRows& rows);
  void keep_mean(const engine::LayerRows& rows, std::int64_t image, std::span<float> out) const;

  arch::EncoderSpec spec_;  // its size does not matter
  Wanted wanted_;
  std::vector<float> values_;
};

std::span<const float> Collector::run(engine::Session& session, const HostTensor& pixels,
                                      std::int64_t count) {
  values_.resize(static_cast<std::size_t>(count * element_count(wanted_.row)));
  const HostTensor images = pixels.rows(0, count);
  if (wanted_.head_input) {
    session.run(images.data<float>(), count, {.features = values_});
  } else {
    session.run(images.data<float>(), count, {},
                [this](const engine::LayerRows& rows) { keep(rows); });
  }
  if (!std::ranges::all_of(values_, [](float value) { return std::isfinite(value); })) {
    throw RunError("features",
                   "expected finite values in the layer {}, found NaN or infinity; try --precision "
                   "fp32",
                   wanted_.layer.name);
  }
  return values_;
}

void Collector::keep(const engine::LayerRows& rows) {
  if (rows.name != wanted_.layer.name) return;
  const auto size = static_cast<std::size_t>(element_count(wanted_.row));
  for (std::int64_t image = 0; image < rows.images; ++image) {
    const std::span<float> out =
        std::span(values_).subspan(static_cast<std::size_t>(rows.first_image + image) * size, size);
    if (wanted_.tokens) {
      auto to = out.begin();
      for (std::int64_t token = 0; token < rows.tokens; ++token) {
        to = std::ranges::copy(rows.row(image, token), to).out;
      }
    } else if (spec_.read_out == arch::ReadOut::kToken) {
      // Of the patches of the layer, so that stages of a pyramid with fewer tokens fit too.
      const bool front = spec_.class_token == arch::ClassToken::kFront;
      std::ranges::copy(rows.row(image, front ? 0 : rows.tokens - 1), out.begin());
    } else {
      keep_mean(rows, image, out);
    }
  }
}

void Collector::keep_mean(const engine::LayerRows& rows, std::int64_t image,
                          std::span<float> out) const {
  std::ranges::fill(out, 0.0F);
  for (std::int64_t token = 0; token < rows.tokens; ++token) {
    const std::span<const float> row = rows.row(image, token);
    for (std::size_t c = 0; c < out.size(); ++c) out[c] += row[c];
  }
  for (float& value : out) value /= static_cast<float>(rows.tokens);
}

void check_output(const Options& options) {
  const std::filesystem::path out = options.out;
  if (out.extension() != ".npz" && out.extension() != ".safetensors") {
    throw UsageError("--out", "expected a file that ends in .npz or .safetensors, got '{}'",
                     options.out);
  }
  std::error_code ignored;
  if (options.force || !std::filesystem::exists(out, ignored)) return;
  throw IoError(options.out,
                "the file exists already; choose another --out, or replace it with --force");
}

void print_result(const Context& context, const Options& options, const engine::Model& model,
                  const Wanted& wanted, std::int64_t rows) {
  Shape shape{rows};
  shape.insert(shape.end(), wanted.row.begin(), wanted.row.end());
  if (context.json) {
    const nlohmann::ordered_json json{{"out", options.out},
                                      {"tensor", wanted.tokens ? "tokens" : "features"},
                                      {"shape", shape},
                                      {"layer", wanted.layer.name},
                                      {"precision", enum_name(model.precision())},
                                      {"isa", kernels::isa_name(model.isa())}};
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("layer       {} ({})\nwritten     {} ({} {} float32, {})\n", wanted.layer.name,
             enum_name(model.precision()), options.out, wanted.tokens ? "tokens" : "features",
             conopa::to_string(shape),
             format_bytes(element_count(shape) * std::int64_t{sizeof(float)}));
}

/// The file that is written, and what shows how far it is.
class Output {
 public:
  Output(const Context& context, const Options& options, const Wanted& wanted,
         const ImageReader& reader)
      : file_(RowFile::create(options.out, {.name = wanted.tokens ? "tokens" : "features",
                                            .row = wanted.row,
                                            .names = reader.names()})),
        progress_(reader.total() > options.images.batch
                      ? make_progress(context, "features", reader.total())
                      : nullptr) {}

  void append(std::span<const float> rows) { file_->append(rows); }
  void name(const ImageInput& input) { names_.push_back(input.name); }
  [[nodiscard]] std::function<void(std::int64_t)> meter() {
    return [this](std::int64_t done) {
      if (progress_) progress_->update(done);
    };
  }
  /// @return rows of the file; the file is shown if the exit code is 0.
  std::int64_t finish(int code) {
    if (progress_) progress_->finish();
    if (code == 0) file_->commit(names_);
    return file_->rows();
  }

 private:
  std::unique_ptr<RowFile> file_;
  std::vector<std::string> names_;
  std::unique_ptr<Progress> progress_;
};

int run_one_size(const Context& context, const Options& options, const StoredModel& stored) {
  const arch::EncoderSpec spec = spec_at(stored, options.size);
  const engine::Model model = load_native(
      stored, spec, enum_from_name<engine::Precision>(options.engine.precision).value());
  const Wanted wanted = resolve(model, options);
  engine::Session session(model, {.threads = static_cast<int>(options.engine.threads),
                                  .max_batch = native_batch(spec, options.images.batch)});
  ImageReader reader(options.images, resized_transform(stored.transform, stored.spec, spec));
  Output output(context, options, wanted, reader);
  Collector collector(spec, wanted);
  const int code = reader.for_each(
      [&](const ImageBatch& batch) {
        output.append(collector.run(session, batch.pixels, batch.size()));
        for (const ImageInput* input : batch.good) output.name(*input);
      },
      output.meter());
  const std::int64_t rows = output.finish(code);
  if (code == 0) print_result(context, options, model, wanted, rows);
  return code;
}

int run_own_sizes(const Context& context, const Options& options, const StoredModel& stored) {
  if (options.kind == "tokens") {
    throw UsageError("--kind",
                     "expected pooled with --size native, whose images differ in the "
                     "number of their tokens");
  }
  OwnSizes sizes(stored, options.engine);
  const Wanted wanted = resolve(sizes.model(), options);
  ImageReader reader(options.images, stored.transform);
  Output output(context, options, wanted, reader);
  Collector collector(stored.spec, wanted);
  const auto rows_of = [&](engine::Session& session, const EqualImages& batch) {
    const std::span<const float> rows = collector.run(session, batch.pixels, batch.size());
    return std::vector<float>(rows.begin(), rows.end());
  };
  const int code = reader.for_each_sized(
      stored.spec.patch,
      [&](std::span<const SizedImage> images) {
        output.append(sizes.rows(images, rows_of));
        for (const SizedImage& image : images) output.name(*image.input);
      },
      output.meter());
  const std::int64_t rows = output.finish(code);
  if (code == 0) print_result(context, options, sizes.model(), wanted, rows);
  return code;
}

int run(const Context& context, const Options& options) {
  check_output(options);
  const StoredModel stored = open_model(options.model);
  const ComputeThreads threads(options.engine);
  return options.size == kOwnSizes ? run_own_sizes(context, options, stored)
                                   : run_one_size(context, options, stored);
}

}  // namespace

void add_features(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "features", "write what a model computes for images: features or tokens of any layer",
      "conopa features runs/fmnist photos/ --out photos.npz\n"
      "  conopa features MODEL photos/ --layer 11 --kind tokens --out tokens.safetensors");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  add_image_options(*command, options->images);
  command->add_option("-o,--out", options->out, "file to write, .npz or .safetensors")->required();
  command->add_option("--layer", options->layer, kLayerHelp)->capture_default_str();
  command
      ->add_option("--kind", options->kind,
                   "pooled: one vector an image, as the head reads; tokens: all")
      ->check(CLI::IsMember({"pooled", "tokens"}))
      ->capture_default_str();
  command
      ->add_option("--precision", options->engine.precision,
                   "of matrix products: auto, fp32, bf16 or int8")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int8"}))
      ->capture_default_str();
  command->add_option("--size", options->size, kSizeHelp);
  add_threads_option(*command, options->engine.threads);
  command->add_flag("-f,--force", options->force, "replace the file");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app

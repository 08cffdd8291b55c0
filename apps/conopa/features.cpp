// conopa features: what a model computes for images, as a file of numbers.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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
  Collector(engine::Session& session, Wanted wanted)
      : session_(session), wanted_(std::move(wanted)) {}

  [[nodiscard]] std::span<const float> run(const ImageBatch& batch);

 private:
  void keep(const engine::LayerRows& rows);
  void keep_mean(const engine::LayerRows& rows, std::int64_t image, std::span<float> out) const;

  engine::Session& session_;
  Wanted wanted_;
  std::vector<float> values_;
};

std::span<const float> Collector::run(const ImageBatch& batch) {
  const std::int64_t count = batch.size();
  values_.resize(static_cast<std::size_t>(count * element_count(wanted_.row)));
  const HostTensor images = batch.pixels.rows(0, count);
  if (wanted_.head_input) {
    session_.run(images.data<float>(), count, {.features = values_});
  } else {
    session_.run(images.data<float>(), count, {},
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
  const arch::EncoderSpec& spec = session_.model().spec();
  for (std::int64_t image = 0; image < rows.images; ++image) {
    const std::span<float> out =
        std::span(values_).subspan(static_cast<std::size_t>(rows.first_image + image) * size, size);
    if (wanted_.tokens) {
      auto to = out.begin();
      for (std::int64_t token = 0; token < rows.tokens; ++token) {
        to = std::ranges::copy(rows.row(image, token), to).out;
      }
    } else if (spec.read_out == arch::ReadOut::kToken) {
      // Of the patches of the layer, so that stages of a pyramid with fewer tokens fit too.
      const bool front = spec.class_token == arch::ClassToken::kFront;
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

int run(const Context& context, const Options& options) {
  check_output(options);
  const StoredModel stored = open_model(options.model);
  const arch::EncoderSpec spec = spec_at(stored, options.size);
  const ComputeThreads threads(options.engine);
  const engine::Model model = load_native(
      stored, spec, enum_from_name<engine::Precision>(options.engine.precision).value());
  const Wanted wanted = resolve(model, options);
  engine::Session session(model, {.threads = static_cast<int>(options.engine.threads),
                                  .max_batch = native_batch(spec, options.images.batch)});
  ImageReader reader(options.images, resized_transform(stored.transform, stored.spec, spec));
  const std::unique_ptr<RowFile> file = RowFile::create(
      options.out,
      {.name = wanted.tokens ? "tokens" : "features", .row = wanted.row, .names = reader.names()});
  Collector collector(session, wanted);
  std::vector<std::string> names;
  const std::unique_ptr<Progress> progress =
      reader.total() > options.images.batch ? make_progress(context, "features", reader.total())
                                            : nullptr;
  const int code = reader.for_each(
      [&](const ImageBatch& batch) {
        file->append(collector.run(batch));
        for (const ImageInput* input : batch.good) names.push_back(input->name);
      },
      [&](std::int64_t done) {
        if (progress) progress->update(done);
      });
  if (progress) progress->finish();
  if (code != 0) return code;
  file->commit(names);
  print_result(context, options, model, wanted, file->rows());
  return 0;
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
  command->add_option("--size", options->size,
                      "input size instead of the model's: pixels, or HEIGHTxWIDTH");
  add_threads_option(*command, options->engine.threads);
  command->add_flag("-f,--force", options->force, "replace the file");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app

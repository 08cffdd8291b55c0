// conopa check: does the native engine compute what libtorch computes?

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "image_reader.h"
#include "layer_errors.h"
#include "model_resize.h"
#include "network.h"
#include "preset_model.h"
#include "torch_parts.h"

namespace conopa::app {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> images;  ///< empty: random ones
  std::int64_t random = 8;
  std::int64_t batch = 8;
  std::string against = "auto";
  std::optional<double> tolerance;
  std::string size;
  EngineOptions engine;
};

/// Largest relative error that each precision is allowed in any layer. Rounding to bf16 costs 2^-9
/// a factor, to int8 2^-8 of a row's largest; both add up over the blocks. Measured on trained and
/// random models of every family: docs/engine-commands.md.
double tolerance_of(std::string_view precision) {
  if (precision == "int8") return 2e-1;
  return precision == "bf16" ? 5e-2 : 1e-4;
}

bool against_torch(const Context& context, const Options& options) {
  return options.against == "torch" || (options.against == "auto" && has_torch(context));
}

std::unique_ptr<Network> expected_network(const Context& context, const StoredModel& model,
                                          const arch::EncoderSpec& spec, const Options& options) {
  if (against_torch(context, options)) {
    return need_torch(context).network(model, spec,
                                       {.engine = "torch",
                                        .precision = "fp32",
                                        .threads = options.engine.threads,
                                        .device = "cpu"});
  }
  return make_native_network(model, spec,
                             {.precision = engine::Precision::kFp32,
                              .isa = kernels::Isa::kReference,
                              .threads = static_cast<int>(options.engine.threads),
                              .batch = options.batch});
}

// Words of random length, then end tokens.
HostTensor random_tokens(const arch::EncoderSpec& spec, std::int64_t first, std::int64_t count) {
  HostTensor tokens = HostTensor::zeros(DType::kI64, {count, spec.width});
  const std::span<std::int64_t> all = tokens.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    Rng rng(0, RngPurpose::kSample, 0, static_cast<std::uint64_t>(first + i));
    const auto length =
        static_cast<std::int64_t>(rng.uniform(0.0, static_cast<double>(spec.width)));
    for (std::int64_t t = 0; t < spec.width; ++t) {
      all[static_cast<std::size_t>(i * spec.width + t)] =
          t < length
              ? static_cast<std::int64_t>(rng.uniform(0.0, static_cast<double>(spec.vocabulary)))
              : spec.end_token;
    }
  }
  return tokens;
}

// Standard normal pixels: normalised images have about that spread.
HostTensor random_images(const arch::EncoderSpec& spec, std::int64_t first, std::int64_t count) {
  HostTensor images =
      HostTensor::zeros(DType::kF32, {count, spec.channels, spec.height, spec.width});
  const std::span<float> all = images.mutable_data<float>();
  const std::size_t size = all.size() / static_cast<std::size_t>(count);
  for (std::int64_t i = 0; i < count; ++i) {
    Rng rng(0, RngPurpose::kSample, 0, static_cast<std::uint64_t>(first + i));
    for (float& value : all.subspan(static_cast<std::size_t>(i) * size, size)) {
      value = static_cast<float>(rng.normal());
    }
  }
  return images;
}

LayerErrors compare(const Options& options, const StoredModel& model, const arch::EncoderSpec& spec,
                    Network& found, Network& expected) {
  LayerErrors errors;
  const auto add = [&](const HostTensor& images, std::int64_t count) {
    errors.add(found.layers(images, count), expected.layers(images, count));
  };
  if (options.images.empty()) {
    for (std::int64_t first = 0; first < options.random; first += options.batch) {
      const std::int64_t count = std::min(options.batch, options.random - first);
      add(spec.input == arch::Input::kTokens ? random_tokens(spec, first, count)
                                             : random_images(spec, first, count),
          count);
    }
    return errors;
  }
  ImageReader reader({.inputs = options.images, .batch = options.batch},
                     resized_transform(model.transform, model.spec, spec));
  reader.for_each([&](const ImageBatch& batch) { add(batch.pixels, batch.size()); });
  return errors;
}

nlohmann::ordered_json to_json(const LayerErrors& errors) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const LayerError& row : errors.rows()) {
    rows.push_back({{"layer", row.name},
                    {"max_abs", row.max_abs},
                    {"relative", row.relative()},
                    {"cosine", row.cosine()}});
  }
  return rows;
}

void print_table(const LayerErrors& errors) {
  std::size_t width = 5;
  for (const LayerError& row : errors.rows()) width = std::max(width, row.name.size());
  fmt::print("{:<{}}  {:>10}  {:>10}  {:>10}\n", "layer", width, "max abs", "relative", "cosine");
  for (const LayerError& row : errors.rows()) {
    fmt::print("{:<{}}  {:>10.3e}  {:>10.3e}  {:>10.7f}\n", row.name, width, row.max_abs,
               row.relative(), row.cosine());
  }
}

int run(const Context& context, const Options& options) {
  if (against_torch(context, options)) static_cast<void>(need_torch(context));
  const StoredModel model = open_model_or_preset(options.model);
  const arch::EncoderSpec spec = spec_at(model, options.size);
  if (spec.input == arch::Input::kTokens && !options.images.empty()) {
    throw ConfigError("--images",
                      "expected a model that reads images, found one that reads tokens; use "
                      "--random");
  }
  const std::unique_ptr<Network> found =
      make_network(context, model, spec, options.engine, options.batch);
  const std::unique_ptr<Network> expected = expected_network(context, model, spec, options);
  const double tolerance = options.tolerance.value_or(tolerance_of(found->precision()));
  const LayerErrors errors = compare(options, model, spec, *found, *expected);
  const LayerError& worst = errors.worst();
  const bool passed = worst.relative() <= tolerance;
  if (context.json) {
    const nlohmann::ordered_json json{{"model", model.path.string()},
                                      {"found", found->description()},
                                      {"expected", expected->description()},
                                      {"images", errors.images()},
                                      {"tolerance", tolerance},
                                      {"layers", to_json(errors)},
                                      {"same_top1", errors.same_top1()},
                                      {"passed", passed}};
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("found       {}\nexpected    {}\nimages      {}{}\n\n", found->description(),
               expected->description(), errors.images(), options.images.empty() ? " random" : "");
    print_table(errors);
    if (spec.num_classes > 0) {
      fmt::print("\nsame top-1  {} of {}\n", errors.same_top1(), errors.images());
    }
    if (passed) {
      fmt::print("passed      worst {:.3e} in {}, tolerance {:.3g}\n", worst.relative(), worst.name,
                 tolerance);
    }
  }
  if (passed) return 0;
  std::fflush(stdout);
  throw CheckError(
      model.path.string(),
      "expected a relative error of at most {:.3g} in every layer, found {:.3e} in {}; "
      "see the table, or allow more with --tolerance",
      tolerance, worst.relative(), worst.name);
}

}  // namespace

void add_check(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "check",
      "compare every layer of the native engine with libtorch, or with the reference kernels where "
      "there is none",
      "conopa check runs/fmnist --images photos/\n"
      "  conopa check MODEL --precision int8 --random 16 --json");
  auto options = std::make_shared<Options>();
  command
      ->add_option("model", options->model,
                   "model or run folder, or the name of a model (random weights)")
      ->required();
  CLI::Option* images = command->add_option("--images", options->images,
                                            "images or folders of images instead of random ones");
  command->add_option("--random", options->random, "random images (standard normal pixels)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->excludes(images)
      ->capture_default_str();
  command->add_option("-b,--batch", options->batch, "images in a pass")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->capture_default_str();
  command
      ->add_option("--precision", options->engine.precision,
                   "of the native engine: auto, fp32, bf16 or int8")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int8"}))
      ->capture_default_str();
  command
      ->add_option("--against", options->against,
                   "what is right: torch (stock operations in fp32), reference (the engine's "
                   "reference kernels in fp32) or auto")
      ->check(CLI::IsMember({"auto", "torch", "reference"}))
      ->capture_default_str();
  command
      ->add_option("--tolerance", options->tolerance,
                   "largest difference in a layer as a share of its largest magnitude; default "
                   "1e-4 (fp32), 5e-2 (bf16), 2e-1 (int8)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--size", options->size,
                      "input size instead of the model's: pixels, or HEIGHTxWIDTH");
  add_threads_option(*command, options->engine.threads);
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app

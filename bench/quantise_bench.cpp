// Speed of every weight form in one run, and how far its outputs are from float32's: for model
// folders, or for presets with random weights. Variants take turns; the best time counts, so that
// other load matters little.
//
//   quantise_bench [--threads N] [--seconds S] [--images N] [--data DATA] PRESET_OR_FOLDER...
//
// With --data the forms are calibrated on 128 of its training images besides, and accuracy and
// agreement are those on its evaluation images instead of on noise.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "quantize_search.h"

namespace {

namespace app = conopa::app;
namespace arch = conopa::arch;
using conopa::QuantForm;
using conopa::engine::Model;
using conopa::engine::Precision;

constexpr std::int64_t kBatch = 8;

struct Options {
  int threads = 0;
  double seconds = 10.0;
  std::int64_t images = 64;
  std::string data{};
  std::vector<std::string> names{};
};

app::StoredModel model_of(const std::string& name) {
  if (std::filesystem::exists(name)) return app::open_model(name);
  app::StoredModel model;
  model.path = name;
  model.spec = arch::preset_spec(name);
  model.spec.resolve();
  model.transform = app::default_transform(model.spec);
  std::vector<conopa::NamedTensor> tensors;
  const arch::TensorTable table(model.spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    tensors.push_back({entry.name, arch::initial_tensor(entry, 1)});
  }
  model.weights = std::make_unique<conopa::MemorySource>(std::move(tensors));
  return model;
}

struct Variant {
  std::string name;
  std::int64_t stored_bytes = 0;
  std::int64_t packed_bytes = 0;
  std::unique_ptr<app::OutputRunner> runner;
  double batch_s = std::numeric_limits<double>::infinity();
  double single_s = std::numeric_limits<double>::infinity();
  app::Agreement found;
};

Variant variant_of(std::string name, const arch::EncoderSpec& spec,
                   const conopa::TensorSource& weights, std::int64_t stored, Precision precision,
                   int threads) {
  Model model = Model::load(spec, weights, {.precision = precision});
  const std::int64_t packed = model.weight_bytes();
  return {.name = std::move(name),
          .stored_bytes = stored,
          .packed_bytes = packed,
          .runner = std::make_unique<app::OutputRunner>(std::move(model), threads, kBatch),
          .found = {}};
}

std::int64_t bytes_of(const std::vector<conopa::NamedTensor>& tensors) {
  std::int64_t sum = 0;
  for (const conopa::NamedTensor& named : tensors) sum += std::ssize(named.tensor.bytes());
  return sum;
}

Variant quantised(std::string name, const app::StoredModel& model,
                  const app::QuantizedWeights& weights, const Options& options) {
  return variant_of(std::move(name), model.spec, *app::logical_weights(weights),
                    bytes_of(weights.tensors), Precision::kAuto, options.threads);
}

// float32 first.
std::vector<Variant> variants_of(const app::StoredModel& model, const Options& options) {
  std::vector<Variant> out;
  const std::int64_t stored = bytes_of(conopa::read_all(*model.weights));
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    out.push_back(variant_of(std::string(conopa::enum_name(precision)), model.spec, *model.weights,
                             stored, precision, options.threads));
  }
  for (const QuantForm form : {QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0}) {
    const std::string name(conopa::enum_name(form));
    out.push_back(quantised(name, model, app::quantize_plainly(model, form), options));
    if (options.data.empty()) continue;
    const app::ImageSet images =
        app::load_images(model, app::open_images(model, options.data, "train", 128), options.data);
    out.push_back(quantised(
        name + " calibrated", model,
        app::quantize_calibrated(model, form, *out.front().runner, images, options.threads),
        options));
  }
  return out;
}

double seconds_of(app::OutputRunner& runner, const app::ImageSet& images, std::int64_t batch) {
  const auto start = std::chrono::steady_clock::now();
  static_cast<void>(runner.run(images.part(0, batch), batch));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void measure(std::vector<Variant>& variants, const app::ImageSet& images, double seconds) {
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0;
       round < 3 ||
       std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds;
       ++round) {
    for (Variant& v : variants) {
      v.batch_s = std::min(v.batch_s, seconds_of(*v.runner, images, kBatch));
      v.single_s = std::min(v.single_s, seconds_of(*v.runner, images, 1));
    }
  }
}

void bench(const std::string& name, const Options& options) {
  const app::StoredModel model = model_of(name);
  const app::ImageSet noise = app::random_images(model, std::max(options.images, kBatch));
  const app::ImageSet images =
      options.data.empty()
          ? noise
          : app::load_images(model, app::open_images(model, options.data, "auto", 0), options.data);
  std::vector<Variant> variants = variants_of(model, options);
  for (Variant& v : variants) {
    v.found.add(*variants.front().runner, *v.runner, images.images, images.count, images.labels);
  }
  measure(variants, noise, options.seconds);
  for (const Variant& v : variants) {
    const std::string top1 =
        v.found.after ? fmt::format("{:.4f}", v.found.after->result().top1) : std::string();
    fmt::print("{},{},{},{},{:.3f},{:.3f},{},{:.4f},{:.6f}\n", name, v.name, v.stored_bytes,
               v.packed_bytes, 1e3 * v.batch_s / static_cast<double>(kBatch), 1e3 * v.single_s,
               top1, v.found.distance.same_top1(), v.found.distance.relative_error());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App root("Speed and agreement of every weight form");
  root.add_option("--threads", options.threads, "0: one per core");
  root.add_option("--seconds", options.seconds, "of timing for each model");
  root.add_option("--images", options.images, "for the agreement");
  root.add_option("--data", options.data, "dataset for calibration and accuracy");
  root.add_option("names", options.names, "presets or model folders")->required();
  CLI11_PARSE(root, argc, argv);
  try {
    fmt::print(
        "model,form,stored_bytes,packed_bytes,ms_batch8,ms_batch1,top1,same_top1,relative_error\n");
    for (const std::string& name : options.names) bench(name, options);
  } catch (const conopa::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}

// Training throughput and peak memory of whole models: forward, loss, backward and AdamW on random
// images, with the fused kernels and with the same blocks out of stock libtorch operations.
//   train_model_bench --models visionllama_small_patch16_224 visionllama_pyramid_small_224
// Every setting runs in a process of its own, so that its peak memory is its own too; rivals run
// one after the other, so that they meet the same machine.

#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "conopa/arch/cost.h"
#include "conopa/arch/registry.h"
#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"
#include "conopa/tasks/runtime.h"
#include "conopa/train/adamw.h"

namespace conopa::bench {
namespace {

struct Settings {
  std::vector<std::string> models{"visionllama_small_patch16_224", "visionllama_pyramid_small_224"};
  std::vector<std::string> precisions{"fp32", "bf16"};
  std::int64_t batch = 16;
  std::int64_t steps = 5;
  std::int64_t threads = 0;
  std::string only_ops;  // set in child processes: one model, one precision, one kind of operations
};

at::Tensor random_images(const arch::EncoderSpec& spec, std::int64_t batch) {
  HostTensor images =
      HostTensor::zeros(DType::kF32, {batch, spec.channels, spec.height, spec.width});
  Rng rng(0, RngPurpose::kTest, 0, 0);
  for (float& value : images.mutable_data<float>()) value = static_cast<float>(rng.normal());
  return nn::to_torch(images);
}

// One line for the parent: images/s of the median step, and peak memory in MiB.
int measure_one(const Settings& s) {
  tasks::set_compute_threads(s.threads);
  arch::EncoderSpec spec = arch::preset_spec(s.models.front());
  spec.resolve();
  nn::Encoder encoder(spec);
  encoder.parameters().initialize(0);
  const nn::Exec exec{
      .precision = s.precisions.front() == "bf16" ? nn::Precision::kBf16 : nn::Precision::kFp32,
      .ops = s.only_ops == "stock" ? nn::Ops::kStock : nn::Ops::kFused};
  train::AdamW optimizer(encoder.parameters(), {}, exec.ops);
  const at::Tensor images = random_images(spec, s.batch);
  const at::Tensor labels = nn::to_torch(HostTensor::zeros(DType::kI64, {s.batch}));
  std::vector<double> seconds;
  for (std::int64_t step = -1; step < s.steps; ++step) {  // the first warms up
    const auto begin = std::chrono::steady_clock::now();
    nn::ForwardOptions options;
    options.exec = exec;
    options.training = true;
    const at::Tensor logits = encoder.forward(images, options).logits;
    nn::label_cross_entropy(logits, labels, 0.0, exec).backward();
    optimizer.step(1e-4, 0.05);
    encoder.parameters().zero_grad();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (step >= 0) seconds.push_back(taken.count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + s.steps / 2, seconds.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{} {}\n",
             static_cast<double>(s.batch) / seconds[static_cast<std::size_t>(s.steps / 2)],
             usage.ru_maxrss / 1024);
  return 0;
}

struct Measured {
  double images_per_second = 0.0;
  long peak_mib = 0;
};

Measured run_child(const std::string& self, const Settings& s, const std::string& model,
                   const std::string& precision, const std::string& ops) {
  const std::string command =
      fmt::format("'{}' --models {} --precisions {} --batch {} --steps {} --threads {} --only {}",
                  self, model, precision, s.batch, s.steps, s.threads, ops);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  Measured out;
  if (pipe == nullptr ||
      std::fscanf(pipe.get(), "%lf %ld", &out.images_per_second, &out.peak_mib) != 2) {
    throw std::runtime_error("no result from: " + command);
  }
  return out;
}

int compare_all(const std::string& self, const Settings& s) {
  fmt::print("batch {}, {} timed steps, median step\n", s.batch, s.steps);
  fmt::print("{:<34} {:>5} {:>8} {:>12} {:>12} {:>7} {:>11} {:>11}\n", "model", "prec", "GMACs",
             "fused img/s", "stock img/s", "ratio", "fused MiB", "stock MiB");
  for (const std::string& model : s.models) {
    arch::EncoderSpec spec = arch::preset_spec(model);
    spec.resolve();
    for (const std::string& precision : s.precisions) {
      const Measured fused = run_child(self, s, model, precision, "fused");
      const Measured stock = run_child(self, s, model, precision, "stock");
      fmt::print("{:<34} {:>5} {:>8.2f} {:>12.2f} {:>12.2f} {:>7.2f} {:>11} {:>11}\n", model,
                 precision, static_cast<double>(arch::count_cost(spec).macs()) / 1e9,
                 fused.images_per_second, stock.images_per_second,
                 fused.images_per_second / stock.images_per_second, fused.peak_mib, stock.peak_mib);
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace
}  // namespace conopa::bench

int main(int argc, char** argv) {
  conopa::bench::Settings settings;
  CLI::App app("training throughput of whole models, fused against stock operations");
  app.add_option("--models", settings.models, "preset names")->capture_default_str();
  app.add_option("--precisions", settings.precisions, "fp32, bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_option("--batch", settings.batch, "images a step")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{4096}));
  app.add_option("--steps", settings.steps, "timed steps")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000}));
  app.add_option("--threads", settings.threads, "compute threads; 0 = one per core");
  app.add_option("--only", settings.only_ops)->check(CLI::IsMember({"fused", "stock"}))->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    return settings.only_ops.empty() ? conopa::bench::compare_all(argv[0], settings)
                                     : conopa::bench::measure_one(settings);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

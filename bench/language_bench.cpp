// What a frozen language block costs behind a Vision Transformer: no block, its exact short form
// (arch::folds_language_block), and the plain form, which the same model takes when the head reads
// the mean of all tokens.
//   language_bench --model vit_llama_small_patch16_224 --batch 1 --rounds 5
// All three are measured in turns, so that they meet the same machine; times are medians.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "conopa/arch/cost.h"
#include "conopa/arch/registry.h"
#include "conopa/core/rng.h"
#include "conopa/engine/session.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"
#include "conopa/tasks/runtime.h"
#include "tests/engine/native_model.h"

namespace conopa::bench {
namespace {

struct Settings {
  std::string model = "vit_llama_small_patch16_224";
  std::int64_t batch = 1;
  std::int64_t rounds = 5;
  std::int64_t threads = 0;
};

struct Form {
  std::string_view name;
  void (*edit)(arch::EncoderSpec& spec);
};
constexpr std::array<Form, 3> kForms{
    {{"no language block", [](arch::EncoderSpec& s) { s.llm = {}; }},
     {"short form", [](arch::EncoderSpec&) {}},
     {"plain form", [](arch::EncoderSpec& s) { s.read_out = arch::ReadOut::kMean; }}}};

arch::EncoderSpec spec_of(const Settings& s, const Form& form) {
  arch::EncoderSpec spec = arch::preset_spec(s.model);
  form.edit(spec);
  spec.resolve();
  return spec;
}

at::Tensor random_images(const arch::EncoderSpec& spec, std::int64_t batch) {
  HostTensor images =
      HostTensor::zeros(DType::kF32, {batch, spec.channels, spec.height, spec.width});
  Rng rng(0, RngPurpose::kTest, 0, 0);
  for (float& value : images.mutable_data<float>()) value = static_cast<float>(rng.normal());
  return nn::to_torch(images);
}

// Median seconds of each action, run in turns.
std::vector<double> medians(const std::vector<std::function<void()>>& actions,
                            std::int64_t rounds) {
  std::vector<std::vector<double>> seconds(actions.size());
  for (std::int64_t round = -1; round < rounds; ++round) {  // the first warms up
    for (std::size_t i = 0; i < actions.size(); ++i) {
      const auto begin = std::chrono::steady_clock::now();
      actions[i]();
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
      if (round >= 0) seconds[i].push_back(taken.count());
    }
  }
  std::vector<double> out;
  for (std::vector<double>& times : seconds) {
    std::ranges::sort(times);
    out.push_back(times[times.size() / 2]);
  }
  return out;
}

void print_rows(std::string_view what, const Settings& s, const std::vector<double>& seconds) {
  for (std::size_t i = 0; i < kForms.size(); ++i) {
    const double gmac = static_cast<double>(arch::inference_macs(spec_of(s, kForms[i]))) / 1e9;
    fmt::print("{:<22} {:<18} {:>8.2f} {:>10.1f} {:>8.2f}\n", what, kForms[i].name, gmac,
               1e3 * seconds[i] / static_cast<double>(s.batch), seconds[i] / seconds[0]);
  }
  std::fflush(stdout);
}

void measure(const Settings& s) {
  std::vector<nn::Encoder> encoders;
  for (const Form& form : kForms) {
    encoders.emplace_back(spec_of(s, form));
    encoders.back().parameters().initialize(0);
  }
  const at::Tensor images = random_images(encoders.front().spec(), s.batch);
  const at::Tensor labels = nn::to_torch(HostTensor::zeros(DType::kI64, {s.batch}));

  for (const engine::Precision precision : {engine::Precision::kBf16, engine::Precision::kInt8}) {
    std::vector<engine::Session> sessions;
    std::vector<float> logits(
        static_cast<std::size_t>(s.batch * encoders.front().spec().num_classes));
    std::vector<std::function<void()>> actions;
    for (const nn::Encoder& encoder : encoders) {
      sessions.emplace_back(engine::Model::load(encoder.spec(), engine::weights_of(encoder),
                                                {.precision = precision}),
                            engine::SessionOptions{.max_batch = s.batch});
    }
    for (engine::Session& session : sessions) {
      actions.emplace_back([&session, &images, &logits, &s] {
        session.run(nn::floats(images), s.batch, {.logits = logits});
      });
    }
    print_rows(fmt::format("engine {}", enum_name(precision)), s, medians(actions, s.rounds));
  }

  std::vector<std::function<void()>> steps;
  for (nn::Encoder& encoder : encoders) {
    steps.emplace_back([&encoder, &images, &labels] {
      nn::ForwardOptions options;
      options.training = true;
      options.exec.precision = nn::Precision::kBf16;
      nn::label_cross_entropy(encoder.forward(images, options).logits, labels, 0.0, options.exec)
          .backward();
      encoder.parameters().zero_grad();
    });
  }
  print_rows("training step bf16", s, medians(steps, s.rounds));
}

}  // namespace
}  // namespace conopa::bench

int main(int argc, char** argv) {
  conopa::bench::Settings settings;
  CLI::App app{"Cost of a frozen language block"};
  app.add_option("--model", settings.model, "preset with a language block");
  app.add_option("--batch", settings.batch, "images at a time");
  app.add_option("--rounds", settings.rounds, "timed rounds");
  app.add_option("--threads", settings.threads, "0: one per core");
  CLI11_PARSE(app, argc, argv);
  conopa::tasks::set_compute_threads(settings.threads);
  fmt::print("{} images, {} rounds, {}\n{:<22} {:<18} {:>8} {:>10} {:>8}\n", settings.batch,
             settings.rounds, settings.model, "", "", "GMAC", "ms/image", "ratio");
  conopa::bench::measure(settings);
  return 0;
}

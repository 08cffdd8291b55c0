// conopa bench: how fast a model runs on this machine.

#include "bench.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/core/system.h"
#include "model_resize.h"
#include "preset_model.h"

namespace conopa::app {
namespace {

constexpr std::string_view kSize = "--size";

struct Options {
  std::string model;
  std::vector<std::int64_t> batches{1, 8};
  std::vector<int> threads;  ///< empty: one per core
  std::vector<std::string> precisions{"auto"};
  std::string sizes;  ///< empty: the model's own
  double seconds = 1.0;
  std::int64_t runs = 5;
  bool explain = false;
};

std::vector<InputSize> sizes_of(const Options& options, const arch::EncoderSpec& spec) {
  if (options.sizes.empty()) return {{spec.height, spec.width}};
  std::vector<InputSize> sizes = parse_input_sizes(options.sizes, kSize);
  // A size that the model cannot have must not come to light after minutes.
  for (const InputSize size : sizes) static_cast<void>(resized_spec(spec, size, kSize));
  return sizes;
}

void print_row(const Options& options, const BenchRow& row, bool first) {
  if (first) {
    fmt::print("machine     {}\nmodel       {}\n\n{}\n", cpu_model_name(), options.model,
               bench_header());
  }
  fmt::print("{}\n", bench_line(row));
  for (const std::string& line : row.explain) {
    if (options.explain) fmt::print("    {}\n", line);
  }
  std::fflush(stdout);
}

int run(const Context& context, const Options& options) {
  const StoredModel model = open_model_or_preset(options.model);
  const std::vector<InputSize> sizes = sizes_of(options, model.spec);
  const std::vector<int> threads =
      options.threads.empty() ? std::vector<int>{num_threads()} : options.threads;
  std::vector<BenchRow> rows;
  for (const InputSize size : sizes) {
    for (const std::string& precision : options.precisions) {
      const engine::Model packed =
          engine::Model::load(model.spec, *model.weights,
                              {.precision = enum_from_name<engine::Precision>(precision).value(),
                               .height = size.height,
                               .width = size.width});
      for (const int count : threads) {
        for (const std::int64_t batch : options.batches) {
          rows.push_back(measure(packed, {.batch = batch,
                                          .threads = count,
                                          .seconds = options.seconds,
                                          .fewest_runs = options.runs}));
          if (!context.json) print_row(options, rows.back(), rows.size() == 1);
        }
      }
    }
  }
  if (context.json) {
    fmt::print("{}\n", bench_json(options.model, rows));
    return 0;
  }
  fmt::print("\npeak: {} in registers, {:.0f} GFLOP/s on {} threads; peak memory {}\n",
             rows.back().peak_loop.empty() ? "no multiply-adds" : rows.back().peak_loop,
             rows.back().peak_gflops, rows.back().threads, format_bytes(peak_rss_bytes()));
  return 0;
}

}  // namespace

void add_bench(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "bench", "measure latency, throughput and memory of a model in the native engine",
      "conopa bench illama_base_patch16_224 --batch 1,8 --precision fp32,bf16,int8\n"
      "  conopa bench runs/fmnist --threads 1,2 --explain --json");
  auto options = std::make_shared<Options>();
  command
      ->add_option("model", options->model,
                   "model or run folder, or the name of a model (random weights)")
      ->required();
  command->add_option("-b,--batch", options->batches, "images in a run, separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->capture_default_str();
  command
      ->add_option("--threads", options->threads,
                   "numbers of threads, separated by commas (default: one per core)")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  command
      ->add_option("--precision", options->precisions,
                   "auto, fp32, bf16, int8, separated by commas")
      ->delimiter(',')
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int8"}))
      ->capture_default_str();
  command->add_option("--size", options->sizes,
                      "input sizes, pixels or HEIGHTxWIDTH, separated by commas");
  command->add_option("--seconds", options->seconds, "time for each row")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_option("--runs", options->runs, "fewest runs of each row")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000}))
      ->capture_default_str();
  command->add_flag("--explain", options->explain, "name the kernel of every layer");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app

#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace conopa::bench {

/// What `bench/rivals` asks a rival to measure.
struct RivalSettings {
  std::string model;
  std::vector<std::string> precisions;  ///< all that the rival knows, unless some are named
  std::vector<std::int64_t> batches{1, 8};
  std::int64_t threads = 2;
  std::int64_t repeats = 5;
};

/// The command line of a rival: reads the settings, runs `measure`, turns exceptions into exit 1.
template <typename Measure>
int rival_main(int argc, char** argv, const char* about, RivalSettings settings, Measure measure) {
  CLI::App app(about);
  app.add_option("model", settings.model, "model folder")->required();
  app.add_option("--precisions", settings.precisions)->check(CLI::IsMember(settings.precisions));
  app.add_option("--batches", settings.batches)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{4096}));
  app.add_option("--threads", settings.threads)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{4096}));
  app.add_option("--repeats", settings.repeats)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000}));
  CLI11_PARSE(app, argc, argv);
  try {
    return measure(settings);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    fmt::print(stderr, "{}\n", text.substr(0, text.find('\n')));  // libtorch adds its stack
    return 1;
  }
}

}  // namespace conopa::bench

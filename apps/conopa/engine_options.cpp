// The options of --engine and its companions, and the threads of a command.

#include <system_error>

#include "conopa/core/error.h"
#include "conopa/core/fields.h"
#include "conopa/core/parallel.h"
#include "network.h"

namespace conopa::app {

void EngineOptions::validate() const {
  if (native() && device != "auto" && device != "cpu") {
    throw UsageError("--device", "the native engine runs on the cpu, got {}; add --engine torch",
                     device);
  }
  if (!native() && precision == "int8") {
    throw UsageError("--precision",
                     "expected auto, fp32 or bf16 with --engine torch, got int8; leave --engine "
                     "out");
  }
}

void add_threads_option(CLI::App& command, std::int64_t& threads) {
  command.add_option("--threads", threads, "compute threads; 0 = one per core")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4096}))
      ->capture_default_str();
}

void add_engine_options(CLI::App& command, EngineOptions& options) {
  command
      .add_option("--engine", options.engine,
                  "native (no libtorch, CPU) or torch (the code that trains)")
      ->check(CLI::IsMember({"native", "torch"}))
      ->capture_default_str();
  command
      .add_option("--precision", options.precision,
                  "of matrix products: fp32, bf16, int8 (native only); auto = bf16 where the "
                  "processor multiplies it, fp32 with torch")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int8"}))
      ->capture_default_str();
  add_threads_option(command, options.threads);
  command.add_option("--device", options.device, "of --engine torch: auto, cpu, cuda or cuda:N")
      ->capture_default_str();
}

ComputeThreads::ComputeThreads(const EngineOptions& options) {
  if (!options.native()) return;
  const int threads = options.threads > 0 ? static_cast<int>(options.threads) : num_threads();
  try {
    team_.emplace(threads);
  } catch (const std::system_error& error) {
    throw RunError("--threads", "cannot start {} threads: {}; use fewer", threads, error.what());
  }
  scope_.emplace(*team_);
}

void require_classifier(const StoredModel& model) {
  if (model.spec.num_classes > 0) return;
  throw ConfigError(
      model.path.string(),
      "expected a classifier, found a model without a head (num_classes = 0); `conopa "
      "features` writes what it computes");
}

}  // namespace conopa::app

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network.h"

namespace conopa::app {

/// What was typed after `conopa train`.
struct TrainOptions {
  std::string recipe;
  std::vector<std::string> set;
  std::string out;
  std::string resume = "never";
  bool force = false;
  bool dry_run = false;
  std::int64_t threads = 0;
  std::int64_t seed = -1;
  std::string data;
};

/// What was typed after `conopa probe`.
struct ProbeCommand {
  std::string model;
  std::string data;
  std::string recipe;
  std::vector<std::string> set;  ///< key=value for the spec
  std::string head = "attention";
  std::string layers = "own";
  std::string lr = "1e-4,3e-4,1e-3";
  std::string weight_decay = "0.05,0.1";
  std::int64_t epochs = 10;
  double warmup = -1.0;
  std::int64_t batch = 1024;
  std::int64_t queries = 1;
  std::string augment = "none";
  std::string cache;
  std::string dtype = "bf16";
  std::string precision = "bf16";
  std::string device = "auto";
  std::int64_t threads = 0;
  std::int64_t seed = 0;
  std::string out;
  bool force = false;
};

/// What was typed after `conopa train-lm`.
struct LanguageCommand {
  std::vector<std::string> text;
  std::string preset = "lm_tiny";
  std::vector<std::string> set;  ///< key=value for the spec
  std::string tokenizer = "bytes";
  std::int64_t max_mb = 0;
  std::int64_t steps = 2000;
  std::int64_t batch = 32;
  double lr = 3e-3;
  std::int64_t warmup = -1;
  std::int64_t eval_every = 200;
  std::int64_t seed = 0;
  std::string precision = "bf16";
  std::string device = "auto";
  std::int64_t threads = 0;
  std::string prompt = "The ";
  std::string out;
  bool force = false;
};

/// The parts of the command that need libtorch. They live in a program of their own, conopa-torch,
/// so that commands which need none of them start without loading it: linking libtorch costs 0.4 s
/// and 300 MB of mapped libraries per start.
struct TorchParts {
  int (*train)(const Context& context, const TrainOptions& options);
  int (*probe)(const Context& context, const ProbeCommand& options);
  int (*train_lm)(const Context& context, const LanguageCommand& options);
  std::unique_ptr<Network> (*network)(const StoredModel& model, const arch::EncoderSpec& spec,
                                      const EngineOptions& options);
};

/// The parts; only programs that link libtorch have this function.
[[nodiscard]] const TorchParts& torch_parts();

/// Whether commands that need libtorch can run: in this program or by starting conopa-torch.
[[nodiscard]] bool has_torch(const Context& context);

/// The parts, for a command about to use them. In a program without them this starts conopa-torch
/// with the same words in place of the process (exec); so it must be called before any output.
/// @throws UnsupportedError if this build has no libtorch or conopa-torch is missing.
[[nodiscard]] const TorchParts& need_torch(const Context& context);

}  // namespace conopa::app

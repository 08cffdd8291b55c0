#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conopa/core/progress.h"

namespace conopa::app {

struct TorchParts;

/// What every subcommand shares: global options and, after parsing, the action to run.
struct Context {
  std::vector<std::string> arguments;  ///< argv
  const TorchParts* torch = nullptr;   ///< in programs that link libtorch
  bool json = false;                   ///< machine-readable output on stdout and nothing else there
  bool quiet = false;                  ///< no progress, warnings only
  int verbose = 0;
  std::string command_line;     ///< as typed, for run folders and model cards
  std::function<int()> action;  ///< set by the chosen subcommand; returns the exit code
};

/// Adds a subcommand whose help ends with `example`.
CLI::App* add_command(CLI::App& root, const std::string& name, const std::string& summary,
                      const std::string& example);

/// Progress goes to stderr unless the user asked for quiet.
[[nodiscard]] std::ostream* progress_stream(const Context& context);

/// Progress over `total` images (or what `unit` says) on stderr; null if the user asked for quiet.
[[nodiscard]] std::unique_ptr<Progress> make_progress(const Context& context, std::string label,
                                                      std::int64_t total,
                                                      std::string unit = "images");

/// The command as main runs it: parses, acts, turns errors into exit codes.
/// @param torch  null in the program without libtorch.
[[nodiscard]] int command_main(int argc, char** argv, const TorchParts* torch);

/// Adds every subcommand.
void add_commands(CLI::App& root, Context& context);

// One function per subcommand, each in its own file. The options live in the returned closure.
void add_train(CLI::App& root, Context& context);
void add_probe(CLI::App& root, Context& context);
void add_train_lm(CLI::App& root, Context& context);
void add_eval(CLI::App& root, Context& context);
void add_predict(CLI::App& root, Context& context);
void add_zeroshot(CLI::App& root, Context& context);
void add_features(CLI::App& root, Context& context);
void add_analyze(CLI::App& root, Context& context);
void add_check(CLI::App& root, Context& context);
void add_bench(CLI::App& root, Context& context);
void add_import(CLI::App& root, Context& context);
void add_export(CLI::App& root, Context& context);
void add_init_from_llama(CLI::App& root, Context& context);
void add_lora(CLI::App& root, Context& context);
void add_resize(CLI::App& root, Context& context);
void add_quantize(CLI::App& root, Context& context);
void add_inspect(CLI::App& root, Context& context);
void add_models(CLI::App& root, Context& context);
void add_data(CLI::App& root, Context& context);
void add_codebook(CLI::App& root, Context& context);
void add_make_points(CLI::App& root, Context& context);
void add_report(CLI::App& root, Context& context);
void add_completion(CLI::App& root, Context& context);

}  // namespace conopa::app

// Global options, dispatch, and the one place where errors become exit codes.

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <new>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/core/nearest.h"
#include "conopa/core/system.h"
#include "program_version.h"

namespace conopa::app {
namespace {

void log_to_stderr(const Context& context) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
      std::getenv("NO_COLOR") != nullptr ? spdlog::color_mode::never
                                         : spdlog::color_mode::automatic);
  auto logger = std::make_shared<spdlog::logger>("conopa", std::move(sink));
  logger->set_pattern("%^%l%$: %v");
  logger->set_level(context.quiet         ? spdlog::level::warn
                    : context.verbose > 0 ? spdlog::level::debug
                                          : spdlog::level::info);
  set_log_sink([logger](LogLevel level, std::string_view line) {
    static constexpr spdlog::level::level_enum kLevels[] = {
        spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};
    logger->log(kLevels[static_cast<std::size_t>(level)], "{}", line);
  });
}

void add_global_options(CLI::App& root, Context& context) {
  root.set_version_flag("-V,--version", version_text());
  root.add_flag("--json", context.json, "one JSON object (or JSON lines) on stdout, nothing else");
  root.add_flag("-q,--quiet", context.quiet, "no progress; warnings and errors only");
  root.add_flag("-v,--verbose", context.verbose, "more messages");
  root.fallthrough();  // global options may follow the subcommand
  root.require_subcommand(1);
  root.get_formatter()->column_width(30);
}

// CLI11 says which word it did not understand; this adds the nearest known one.
std::string suggestion(const CLI::App& root, const std::vector<std::string>& arguments) {
  const CLI::App* app = &root;
  for (const std::string& word : arguments) {
    std::vector<std::string> known;
    for (const CLI::App* command : app->get_subcommands({})) known.push_back(command->get_name());
    for (const CLI::App* holder : {app, &root}) {
      for (const CLI::Option* option : holder->get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
      }
    }
    const std::string bare = word.substr(0, word.find('='));
    if (std::find(known.begin(), known.end(), bare) != known.end()) {
      if (!bare.starts_with("-")) app = app->get_subcommand(bare);
      continue;
    }
    const bool option = bare.starts_with("--");
    if (option || app == &root) {
      if (std::string text = did_you_mean(bare, known); !text.empty()) return text;
    }
  }
  return "";
}

std::string joined(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = word.find_first_of(" '\"\\$`*?;|&<>()") == std::string::npos;
    line += (i > 0 ? " " : "") + (plain ? word : fmt::format("'{}'", word));
  }
  return line;
}

int fail(const std::string& message, ExitCode code) {
  const bool color = is_terminal(STDERR_FILENO) && std::getenv("NO_COLOR") == nullptr;
  std::cerr << (color ? "\033[31merror:\033[0m " : "error: ") << message << '\n';
  return static_cast<int>(code);
}

int run(int argc, char** argv, const TorchParts* torch) {
  Context context;
  context.arguments.assign(argv, argv + argc);
  context.torch = torch;
  context.command_line = joined(argc, argv);
  CLI::App root(
      "conopa: LLaMA-architecture vision models, trained, evaluated, imported and used.\n"
      "Exit codes: 0 success, 1 run failed, 2 wrong usage or config, 3 bad data or checkpoint,\n"
      "4 check failed, 130 interrupted.",
      "conopa");
  add_global_options(root, context);
  add_commands(root, context);
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    root.exit(done);
    return 0;
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    return fail(
        fmt::format("[usage] {}{}; see `conopa --help`", error.what(), suggestion(root, words)),
        ExitCode::kUsage);
  }
  log_to_stderr(context);
  return context.action();
}

}  // namespace

void add_commands(CLI::App& root, Context& context) {
  add_train(root, context);
  add_train_lm(root, context);
  add_probe(root, context);
  add_eval(root, context);
  add_predict(root, context);
  add_zeroshot(root, context);
  add_features(root, context);
  add_analyze(root, context);
  add_check(root, context);
  add_bench(root, context);

  add_import(root, context);
  add_export(root, context);
  add_init_from_llama(root, context);
  add_lora(root, context);
  add_resize(root, context);
  add_quantize(root, context);
  add_inspect(root, context);
  add_models(root, context);
  add_data(root, context);
  add_codebook(root, context);
  add_make_points(root, context);
  add_report(root, context);
  add_completion(root, context);
}

int command_main(int argc, char** argv, const TorchParts* torch) {
  try {
    return run(argc, argv, torch);
  } catch (const Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail("[memory] out of memory; use a smaller batch or model", ExitCode::kRunFailed);
  } catch (const std::exception& error) {
    const std::string text = error.what();  // libtorch appends a stack trace after the first line
    return fail("[internal] " + text.substr(0, text.find('\n')), ExitCode::kRunFailed);
  }
}

}  // namespace conopa::app

#include "command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <utility>

namespace conopa::app {

CLI::App* add_command(CLI::App& root, const std::string& name, const std::string& summary,
                      const std::string& example) {
  CLI::App* command = root.add_subcommand(name, summary);
  command->footer(fmt::format("Example:\n  {}\n", example));
  return command;
}

std::ostream* progress_stream(const Context& context) {
  return context.quiet ? nullptr : &std::cerr;
}

std::unique_ptr<Progress> make_progress(const Context& context, std::string label,
                                        std::int64_t total, std::string unit) {
  std::ostream* stream = progress_stream(context);
  if (stream == nullptr) return nullptr;
  ProgressOptions options = detect_progress(STDERR_FILENO);
  options.label = std::move(label);
  options.unit = std::move(unit);
  return std::make_unique<Progress>(*stream, total, std::move(options));
}

}  // namespace conopa::app

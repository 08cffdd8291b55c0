#include "command.h"

#include <fmt/format.h>

#include <iostream>

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

}  // namespace conopa::app

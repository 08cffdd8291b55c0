// conopa completion bash: a completion script made from the options themselves; --version.

#include <fmt/format.h>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/kernels/isa.h"
#include "program_version.h"
#include "version.h"

namespace conopa::app {
namespace {

// Options of a command, then names and options of its own subcommands.
std::string words_of(const CLI::App& command) {
  std::string words;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
  }
  for (const CLI::App* part : command.get_subcommands({})) {
    words += part->get_name() + " " + words_of(*part);
  }
  return words;
}

std::string bash_script(const CLI::App& root) {
  std::string commands;
  std::string cases;
  std::string global;
  for (const CLI::Option* option : root.get_options()) {
    for (const std::string& name : option->get_lnames()) global += "--" + name + " ";
  }
  for (const CLI::App* command : root.get_subcommands({})) {
    commands += command->get_name() + " ";
    cases +=
        fmt::format("    {}) words=\"{}{}\" ;;\n", command->get_name(), words_of(*command), global);
  }
  return fmt::format(R"(# bash completion for conopa: source <(conopa completion bash)
_conopa() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words
  case ${{COMP_WORDS[1]}} in
{}    *) words="{}{}" ;;
  esac
  if [[ $word == -* || $COMP_CWORD -eq 1 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}}
complete -o filenames -F _conopa conopa
)",
                     cases, commands, global);
}

}  // namespace

void add_completion(CLI::App& root, Context& context) {
  CLI::App* command = add_command(root, "completion", "print a shell completion script",
                                  "source <(conopa completion bash)");
  auto shell = std::make_shared<std::string>("bash");
  command->add_option("shell", *shell, "shell")->check(CLI::IsMember({"bash"}));
  command->callback([&root, &context] {
    context.action = [&root] {
      fmt::print("{}", bash_script(root));
      return 0;
    };
  });
}

std::string version_text() {
  std::string isa;
  try {
    isa = kernels::isa_name(kernels::active_isa());
  } catch (const Error& error) {
    isa = error.what();
  }
  const std::string torch(CONOPA_TORCH_VERSION);
  return fmt::format("conopa {} (commit {}, {}, isa {}, {})", CONOPA_VERSION,
                     std::string_view(CONOPA_COMMIT).empty() ? "unknown" : CONOPA_COMMIT,
                     CONOPA_COMPILER, isa,
                     torch.empty() ? "without libtorch" : "libtorch " + torch);
}

}  // namespace conopa::app

// conopa models: what can be built.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "command.h"
#include "conopa/arch/cost.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/system.h"

namespace conopa::app {
namespace {

int list_models(const Context& context, const std::string& pattern) {
  const std::vector<arch::Preset> presets = arch::find_presets(pattern);
  if (presets.empty()) {
    throw UsageError("models", "no model matches '{}'; `conopa models` lists all", pattern);
  }
  for (const arch::Preset& preset : presets) {
    arch::EncoderSpec spec = arch::preset_spec(preset.name);
    spec.resolve();
    const arch::Cost cost = arch::count_cost(spec);
    if (context.json) {
      const nlohmann::ordered_json line{{"name", preset.name},           {"family", spec.family},
                                        {"height", spec.height},         {"width", spec.width},
                                        {"parameters", cost.parameters}, {"macs", cost.macs()},
                                        {"summary", preset.summary}};
      fmt::print("{}\n", line.dump());
    } else {
      fmt::print("{:<28} {:>7} params {:>7} MACs  {}\n", preset.name,
                 format_count(static_cast<double>(cost.parameters)),
                 format_count(static_cast<double>(cost.macs())), preset.summary);
    }
  }
  return 0;
}

}  // namespace

void add_models(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "models", "list the models that can be built", "conopa models 'illama_*'");
  auto pattern = std::make_shared<std::string>("*");
  command->add_option("pattern", *pattern, "shell pattern over model names")->capture_default_str();
  command->callback([&context, pattern] {
    context.action = [&context, pattern] { return list_models(context, *pattern); };
  });
}

}  // namespace conopa::app

// conopa models: what can be built.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "command.h"
#include "conopa/arch/cost.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/system.h"
#include "model_text.h"

namespace conopa::app {
namespace {

void print_line(const arch::Preset& preset, const arch::EncoderSpec& spec, const arch::Cost& cost,
                std::size_t name_width, bool details) {
  fmt::print("{:<{}} {:>7} params {:>7} MACs  {}\n", preset.name, name_width,
             format_count(static_cast<double>(cost.parameters)),
             format_count(static_cast<double>(cost.macs())), preset.summary);
  if (!details) return;
  fmt::print("  MACs {}\n{}", cost_text(cost), stage_table(spec, "  "));
}

int list_models(const Context& context, const std::string& pattern, bool details) {
  const std::vector<arch::Preset> presets = arch::find_presets(pattern);
  if (presets.empty()) {
    throw UsageError("models", "no model matches '{}'; `conopa models` lists all", pattern);
  }
  std::size_t name_width = 0;
  for (const arch::Preset& preset : presets) name_width = std::max(name_width, preset.name.size());
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
      print_line(preset, spec, cost, name_width, details);
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
  auto details = std::make_shared<bool>(false);
  command->add_flag("-l,--details", *details,
                    "multiply-accumulates by part, and the stages of pyramids");
  command->callback([&context, pattern, details] {
    context.action = [&context, pattern, details] {
      return list_models(context, *pattern, *details);
    };
  });
}

}  // namespace conopa::app

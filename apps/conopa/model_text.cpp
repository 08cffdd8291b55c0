#include "model_text.h"

#include <fmt/format.h>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/system.h"
#include "conopa/report/model_card.h"

namespace conopa::app {

std::string spec_summary(const arch::EncoderSpec& spec) {
  const std::int64_t parameters = arch::TensorTable(spec).parameter_count();
  return fmt::format(
      "{}, {} parameters, {}x{} pixels, {}", spec.family,
      format_count(static_cast<double>(parameters)), spec.height, spec.width,
      spec.num_classes > 0 ? fmt::format("{} classes", spec.num_classes) : std::string("no head"));
}

std::string stage_table(const arch::EncoderSpec& spec, std::string_view indent) {
  if (!spec.pyramid()) return "";
  const auto line = [indent](const auto& stage, const auto& map, const auto&... values) {
    std::string out = fmt::format("{}{:<5} {:>9}", indent, stage, map);
    ((out += fmt::format(" {:>9}", values)), ...);
    return out + "\n";
  };
  std::string out =
      line("stage", "map", "width", "blocks", "heads", "hidden", "window", "reduction");
  for (const arch::Stage& stage : spec.stages()) {
    out += line(stage.index, fmt::format("{}x{}", stage.rows, stage.cols), stage.dim, stage.depth,
                stage.heads, stage.mlp_hidden,
                stage.window > 0 ? fmt::format("{}x{}", stage.window, stage.window) : "none",
                stage.reduction);
  }
  return out;
}

std::string cost_text(const arch::Cost& cost) {
  const auto count = [](std::int64_t macs) { return format_count(static_cast<double>(macs)); };
  std::string out = fmt::format("{} (patches {}, projections {}, attention {}, mlp {}",
                                count(cost.macs()), count(cost.patch_embed),
                                count(cost.projections), count(cost.attention), count(cost.mlp));
  if (cost.head > 0) out += ", head " + count(cost.head);
  if (cost.neck > 0) out += ", neck " + count(cost.neck);
  if (cost.decoder > 0) out += ", decoder " + count(cost.decoder);
  return out + ")";
}

std::string code_block(const std::string& text) {
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += '`';
  return fmt::format("{}\n{}\n{}", fence, text, fence);
}

std::string origin_card(const std::filesystem::path& path, const arch::EncoderSpec& spec,
                        const Origin& origin) {
  const std::filesystem::path plain = std::filesystem::absolute(path).lexically_normal();
  report::ModelCard card;
  card.name = (plain.has_filename() ? plain : plain.parent_path()).filename().string();
  card.tags = {spec.num_classes > 0 ? "image-classification" : "image-feature-extraction",
               spec.family};
  card.summary = spec_summary(spec) + ".\n\n" + origin.statement;
  card.use = spec.num_classes > 0
                 ? "Classifies images:\n\n```\nconopa predict MODEL_FOLDER IMAGE...\n```"
                 : "Start of training: `conopa train RECIPE --set train.init_from=MODEL_FOLDER`.";
  card.data = "Preprocessing is in `preprocessor_config.json`.";
  if (!origin.details.empty()) card.data += "\n\n" + origin.details;
  card.limits = "Its accuracy has not been measured in this form; use `conopa eval`.";
  if (!origin.command_line.empty()) card.reproduction = code_block(origin.command_line);
  return report::render_model_card(card);
}

}  // namespace conopa::app

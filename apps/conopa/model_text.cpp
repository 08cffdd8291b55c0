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

#include <fmt/format.h>

#include "conopa/arch/tensor_table.h"

namespace conopa::arch::names {

std::string block_prefix(std::int64_t index) { return fmt::format("blocks.{}", index); }

std::string stage_block(std::int64_t stage, std::int64_t index) {
  return fmt::format("blocks.{}.{}", stage, index);
}

std::string decoder_block(std::int64_t index) { return fmt::format("decoder.blocks.{}", index); }

std::string language_layer(std::int64_t index) { return fmt::format("llm.layers.{}", index); }

std::string point_layer(std::string_view layer) { return fmt::format("{}.{}", kPointEmbed, layer); }

bool of_language_model(std::string_view name) noexcept {
  return name.starts_with("llm.layers.") ||
         (name.starts_with(kLanguageNorm) && name.substr(kLanguageNorm.size()).starts_with('.'));
}

std::string block(std::int64_t index, std::string_view layer) {
  return fmt::format("{}.{}", block_prefix(index), layer);
}

std::string stage_patch_proj(std::int64_t stage) {
  return fmt::format("patch_embeds.{}.proj", stage);
}

std::string patch_proj(const EncoderSpec& spec, std::int64_t stage) {
  return spec.pyramid() ? stage_patch_proj(stage) : "patch_embed.proj";
}

std::string patch_norm(const EncoderSpec& spec, std::int64_t stage) {
  return spec.pyramid() ? fmt::format("patch_embeds.{}.norm", stage) : "patch_embed.norm";
}

std::string position(const EncoderSpec& spec, std::int64_t stage) {
  return spec.pyramid() ? fmt::format("pos_embeds.{}", stage) : std::string(kPosition);
}

std::string conditional(std::int64_t stage) { return fmt::format("pos_convs.{}", stage); }

std::string neck(std::int64_t level, std::int64_t layer) {
  return fmt::format("fpn{}.{}", level, layer);
}

bool is_lora(std::string_view name) noexcept {
  return name.ends_with(".lora_A") || name.ends_with(".lora_B");
}

bool is_mapper(std::string_view name) noexcept {
  return name.starts_with(kLanguageIn) || name.starts_with(kLanguageOut);
}

}  // namespace conopa::arch::names

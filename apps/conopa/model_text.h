#pragma once

#include <string>
#include <string_view>

#include "conopa/arch/cost.h"
#include "conopa/arch/encoder_spec.h"
#include "model_store.h"

namespace conopa::app {

/// "illama, 5.70M parameters, 224x224 pixels, 1000 classes".
[[nodiscard]] std::string spec_summary(const arch::EncoderSpec& spec);

/// A table of a pyramid's stages, one line each below a header: map in tokens, width, blocks,
/// heads, hidden width, window side and key reduction. Empty for plain encoders.
[[nodiscard]] std::string stage_table(const arch::EncoderSpec& spec, std::string_view indent);

/// "4.60G (patches 116M, projections 2.79G, ...)": multiply-accumulates of one image by part.
[[nodiscard]] std::string cost_text(const arch::Cost& cost);

/// Where a model that was not trained here comes from.
struct Origin {
  std::string statement;     ///< Markdown: source and what was changed
  std::string details;       ///< Markdown: reports, listings; may be empty
  std::string command_line;  ///< what was typed
};

/// README.md of a model folder at `path`.
[[nodiscard]] std::string origin_card(const std::filesystem::path& path,
                                      const arch::EncoderSpec& spec, const Origin& origin);

/// Text as a Markdown code block that no content can end early.
[[nodiscard]] std::string code_block(const std::string& text);

}  // namespace conopa::app

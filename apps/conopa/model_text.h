#pragma once

#include <string>

#include "conopa/arch/encoder_spec.h"
#include "model_store.h"

namespace conopa::app {

/// "illama, 5.70M parameters, 224x224 pixels, 1000 classes".
[[nodiscard]] std::string spec_summary(const arch::EncoderSpec& spec);

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

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model_store.h"

namespace conopa::app {

/// Size of a model's input in pixels.
struct InputSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  bool operator==(const InputSize&) const = default;
};

/// "224x224", height first.
[[nodiscard]] std::string to_string(InputSize size);

/// Reads "384" (square) or "HEIGHTxWIDTH".
/// @param option  as typed, for messages ("--size").
/// @throws UsageError for another form or a side below 1.
[[nodiscard]] InputSize parse_input_size(std::string_view text, std::string_view option);

/// Reads sizes separated by commas: "160,224,288x320".
/// @throws UsageError as parse_input_size, for sides above 8192 pixels and for a size given twice.
[[nodiscard]] std::vector<InputSize> parse_input_sizes(std::string_view text,
                                                       std::string_view option);

/// The spec for another input size, resolved.
/// @throws ConfigError naming the option and the size if the model cannot have it.
[[nodiscard]] arch::EncoderSpec resized_spec(const arch::EncoderSpec& spec, InputSize size,
                                             std::string_view option);

/// What --size says for images that keep their own size.
inline constexpr std::string_view kOwnSizes = "native";

/// Help text of --size where kOwnSizes is possible.
inline constexpr const char* kSizeHelp =
    "input size instead of the model's: pixels, HEIGHTxWIDTH, or native: every image at its own, "
    "by models of native resolution";

/// The spec of a stored model at what was typed after --size; its own size if nothing was.
/// @throws as parse_input_size and resized_spec.
[[nodiscard]] arch::EncoderSpec spec_at(const StoredModel& model, std::string_view size);

}  // namespace conopa::app

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/encoder_spec.h"

namespace conopa::app {

/// Whether a name comes before another one when the numbers in them count as numbers: "block2_out"
/// before "block10_out".
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b);

/// The layers that the filter analysis looks at by itself, in the order of the network.
///
/// Of a model with a frozen language block: what enters the unit, the first mapper, attention and
/// feed-forward of every language block, the second mapper. Of any other: the output of the last
/// two blocks, attention and feed-forward of the last one where they are shown, the final norm.
/// @param names  of Network::capture_names().
[[nodiscard]] std::vector<std::string> default_filter_layers(const std::vector<std::string>& names);

/// The layers that a text asks for, separated by commas; the default ones if it is empty.
/// @throws ConfigError for a name that is not known (listing those that are), is a map of attention
///         or is given twice.
[[nodiscard]] std::vector<std::string> chosen_filter_layers(std::string_view text,
                                                            const std::vector<std::string>& names);

/// The attention that the baseline reads: of the last language block, else of the last block;
/// nothing if the engine shows none.
[[nodiscard]] std::optional<std::string> baseline_attention(const std::vector<std::string>& names);

/// Where the visual tokens of a layer are.
struct TokenPlaces {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t first = 0;  ///< 1 behind a class token in front

  [[nodiscard]] std::int64_t count() const noexcept { return rows * cols; }
};

/// The map of patches that the tokens of a layer form, of the last stage that has as many.
/// @param tokens  N, class token included.
/// @throws UnsupportedError naming the layer if no stage has as many.
[[nodiscard]] TokenPlaces places_of(const arch::EncoderSpec& spec, std::int64_t tokens,
                                    std::string_view layer);

}  // namespace conopa::app

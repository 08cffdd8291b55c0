#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/encoder_spec.h"

namespace conopa::app {

/// Help text of options that probe_layers reads.
inline constexpr const char* kProbeLayersHelp =
    "layers to average: own, final (behind the last norm), last, lastN, numbers such as 10-15 or "
    "3,5 or 6.. (to the last), all (each block alone), allN (each N neighbours); ';' between "
    "candidates that are all tried";

/// The candidates that `--layers` names, each a sorted list of blocks whose raw outputs are
/// averaged, or an empty one for the final norm; without repetitions, in the order of their first
/// mention. `own` is the model's read_blocks. `last` is the last block's output in models that read
/// blocks, the final norm in others.
/// @throws ConfigError for other words, and for blocks that the model lacks, listing those it has.
[[nodiscard]] std::vector<std::vector<std::int64_t>> probe_layers(const arch::EncoderSpec& spec,
                                                                  std::string_view text);

/// Numbers separated by commas, "1e-4,3e-4".
/// @param option  as typed, for messages.
/// @throws ConfigError if one is no finite number.
[[nodiscard]] std::vector<double> number_list(std::string_view option, std::string_view text);

}  // namespace conopa::app

#pragma once

#include "conopa/arch/encoder_spec.h"

namespace conopa::arch {

/// What resolving divides by or rounds with. @throws ConfigError like EncoderSpec::resolve.
void check_before_resolving(const EncoderSpec& spec);

/// The lists of a pyramid: equal lengths, values in range.
void check_stage_lists(const EncoderSpec& spec);

/// Everything about a spec whose derived values are filled in.
void check_spec(const EncoderSpec& spec);

}  // namespace conopa::arch

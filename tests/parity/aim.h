#pragma once

#include <string>

#include "case.h"
#include "conopa/arch/registry.h"

namespace conopa::parity {

/// Spec and naming scheme that the importer finds for a case's weights; heads and image size from
/// the arguments, as a user would give them.
[[nodiscard]] arch::InferredModel aim_model(const Case& c);

/// The model's spec with another image size.
[[nodiscard]] arch::EncoderSpec at_size(arch::EncoderSpec spec, std::int64_t height,
                                        std::int64_t width);

}  // namespace conopa::parity

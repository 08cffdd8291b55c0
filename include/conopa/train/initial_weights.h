#pragma once

#include <filesystem>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/nn/parameters.h"
#include "conopa/train/options.h"

namespace conopa::train {

/// Copies weights from a model folder, a run's checkpoint or any checkpoint file (canonical or
/// foreign names) into a freshly initialised model.
///
/// If the source tells its own spec and its grid differs, the position embedding is interpolated.
/// With InitPolicy::kPartial tensors that are missing or have another shape (a head for other
/// classes) keep their fresh values. Tensors of the source that the model has no place for (a
/// decoder) are left out, and a model that normalises the mean (read_out = "mean_norm") does not
/// take the final norm of an auto-encoder, which normalised tokens. One logged line says all of it;
/// a warning unless only low-rank branches and parts of the head start fresh.
/// @return what did not fit.
/// @throws IoError, FormatError if the source cannot be read or, under kStrict, does not fit.
arch::KeyReport load_initial_weights(const std::filesystem::path& source,
                                     const arch::EncoderSpec& spec, nn::Parameters& parameters,
                                     InitPolicy policy);

}  // namespace conopa::train

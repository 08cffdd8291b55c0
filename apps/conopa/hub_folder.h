#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "conopa/arch/encoder_spec.h"
#include "conopa/image/transform.h"

namespace conopa::app {

/// The texts beside the weights of a folder as the Hub lays it out.
struct HubFolder {
  std::filesystem::path path;               ///< empty: the checkpoint is no folder
  std::optional<std::string> config;        ///< config.json
  std::optional<std::string> preprocessor;  ///< preprocessor_config.json
};

/// Reads the texts of a folder; nothing for a file.
/// @throws IoError, FormatError if a text cannot be read.
[[nodiscard]] HubFolder read_hub_folder(const std::filesystem::path& checkpoint);

/// Takes what config.json knows into a guess, see arch::Family::configure.
/// @param weights  path of the tensors, for messages.
/// @return whether there was such a config.
bool apply_hub_config(const HubFolder& folder, const std::string& weights,
                      arch::EncoderSpec& guess);

/// The preprocessing of an image processor of the Hub (size, crop_size, resample, image_mean,
/// image_std, do_*); nothing without one.
/// @param usual  what holds for fields that the file lacks.
/// @throws FormatError naming the field if it has no counterpart here or does not fit the spec.
[[nodiscard]] std::optional<image::EvalTransformOptions> hub_transform(
    const HubFolder& folder, const arch::EncoderSpec& spec,
    const image::EvalTransformOptions& usual);

}  // namespace conopa::app

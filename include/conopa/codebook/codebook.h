#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace conopa::codebook {

/// Centres of patches: what stands for a patch in objectives with discrete targets.
struct Codebook {
  std::int64_t patch = 0;        ///< P, side in pixels
  std::int64_t channels = 0;     ///< C
  bool normalised = false;       ///< patches have mean 0 and deviation 1, see normalise_patches
  std::vector<float> centres{};  ///< [K, P·P·C], pixels in the order (row, column, channel)

  std::int64_t seed = 0;           ///< of the clustering
  std::int64_t images = 0;         ///< that the patches came from
  double inertia = 0.0;            ///< mean squared distance of a patch to its centre
  std::string where = "codebook";  ///< for messages; not stored

  [[nodiscard]] std::int64_t dims() const noexcept { return patch * patch * channels; }
  [[nodiscard]] std::int64_t codes() const noexcept { return std::ssize(centres) / dims(); }
};

/// Writes a safetensors file: tensor `centres` [K, P·P·C] float32, the rest as metadata.
/// @throws ShapeError if the centres do not fit patch and channels; IoError.
void save_codebook(const std::filesystem::path& path, const Codebook& codebook);

/// @throws IoError if the file cannot be read; FormatError if it is no codebook: tensor `centres`
///         missing, of another shape or type than float32, not finite, or metadata missing.
[[nodiscard]] Codebook load_codebook(const std::filesystem::path& path);

/// Checks that a codebook is one for a model's patches.
/// @throws FormatError with the numbers expected and found.
void require_patch(const Codebook& codebook, std::int64_t patch, std::int64_t channels);

/// The nearest code of every patch, [M].
/// @param patches  [M, P·P·C], normalised if the codebook is.
/// @throws ShapeError if the length does not fit.
[[nodiscard]] std::vector<std::int64_t> nearest_code(std::span<const float> patches,
                                                     const Codebook& codebook);

/// Brings every patch to mean 0 and deviation √(unbiased variance + 1e-6), in double.
/// @param patches  [M, dims], changed in place; dims ≥ 2.
/// @throws ShapeError if the lengths do not fit.
void normalise_patches(std::span<float> patches, std::int64_t dims);

}  // namespace conopa::codebook

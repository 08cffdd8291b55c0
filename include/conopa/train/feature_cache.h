#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "conopa/data/open.h"
#include "conopa/image/transform.h"
#include "conopa/nn/encoder.h"
#include "conopa/train/feature_file.h"

namespace conopa::train {

/// Blocks whose raw outputs are averaged; none: the tokens after the final norm.
using LayerList = std::vector<std::int64_t>;

/// "10-15", "3,5", "final": for names of runs and tables.
[[nodiscard]] std::string layers_text(const LayerList& layers);

/// What features are computed from and how they are stored.
struct FeatureOptions {
  std::filesystem::path folder;           ///< of the cache
  image::EvalTransformOptions transform;  ///< of both splits
  bool means = false;                     ///< store the mean token alone
  bool flip = false;                      ///< store every image flipped as well
  DType dtype = DType::kBF16;
  std::int64_t batch = 64;  ///< images a pass
  nn::Exec exec;
  std::function<bool()> stop;                                           ///< asked between batches
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< images
};

/// Outputs of layers of a frozen encoder for every image of a dataset, one file for each list of
/// layers: read from the cache where a former call left them, computed in one pass of the encoder
/// otherwise.
///
/// A file's key is a hash of the encoder's spec and weights below the head, preprocessing, layers,
/// storage and dataset (labels and 16 of its images, so that other data under the same name is
/// noticed). Sizes are logged before anything is computed.
/// @throws IoError if the cache's disk has less room than the missing files need; FormatError as
///         FeatureFile::open; RunError if `stop` asked to end or features are not finite.
/// @complexity one forward pass an image up to the last block read; memory of one batch.
[[nodiscard]] std::vector<FeatureFile> cached_features(const nn::Encoder& encoder,
                                                       const data::OpenedDataset& data,
                                                       const std::vector<LayerList>& lists,
                                                       const FeatureOptions& options);

}  // namespace conopa::train

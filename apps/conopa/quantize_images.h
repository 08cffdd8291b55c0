#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "conopa/data/open.h"
#include "model_store.h"

namespace conopa::app {

/// Preprocessed images in memory, of a dataset or random.
struct ImageSet {
  std::string what;                    ///< "128 images of DATA (train)"
  std::vector<float> images{};         ///< [count, C, H, W]
  std::vector<std::int64_t> labels{};  ///< empty for random images
  std::int64_t count = 0;
  std::string dataset{}, split{};  ///< name and split; empty for random images

  [[nodiscard]] std::int64_t image_size() const noexcept {
    return count == 0 ? 0 : static_cast<std::int64_t>(images.size()) / count;
  }
  [[nodiscard]] std::span<const float> part(std::int64_t first, std::int64_t length) const;
};

/// "128 images of fashion-mnist (train)".
[[nodiscard]] std::string describe_images(const data::OpenedDataset& opened,
                                          const std::string& path);

/// The last part of a dataset's path.
[[nodiscard]] std::string dataset_name(const std::string& path);

/// Opens a split of a dataset for a model.
/// @param limit  samples to keep, balanced over the classes; 0 = all.
/// @throws as data::open_dataset; FormatError if it has more classes than the model.
[[nodiscard]] data::OpenedDataset open_images(const StoredModel& model, const std::string& path,
                                              const std::string& split, std::int64_t limit);

/// Decodes and preprocesses samples of a dataset.
[[nodiscard]] ImageSet load_images(const StoredModel& model, const data::OpenedDataset& opened,
                                   const std::string& path);

/// Images of normal noise, always the same.
[[nodiscard]] ImageSet random_images(const StoredModel& model, std::int64_t count);

}  // namespace conopa::app

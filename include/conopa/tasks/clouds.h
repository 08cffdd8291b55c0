#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "conopa/core/fields.h"
#include "conopa/data/open.h"
#include "conopa/data/sample_source.h"
#include "conopa/points/augment.h"
#include "conopa/points/cloud_set.h"

namespace conopa::tasks {

/// Form of a dataset of point clouds. kScanObject: HDF5 files of one folder
/// (points::read_scan_object); kModelNet: text files (points::open_model_net).
enum class CloudFormat { kScanObject, kModelNet };

/// The part of the `[points]` table that says what clouds are and what happens to them.
struct CloudOptions {
  CloudFormat format = CloudFormat::kScanObject;
  std::string variant = {};           ///< kScanObject: end of the files' names
  std::string prefix = "modelnet40";  ///< kModelNet: of the lists
  std::int64_t pool = 0;              ///< points kept of a cloud; 0: see pool_size
  points::AugmentOptions augment = {};

  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is out of range.
  void validate() const;

  /// Points that training draws `count` from: `pool`, or 75/64 of count (1200 of 1024, as released)
  /// but no more than a cloud has.
  /// @throws ShapeError if a cloud has fewer than count.
  [[nodiscard]] std::int64_t pool_size(std::int64_t count, std::int64_t cloud) const;
};

/// Labelled clouds as a dataset. Its pictures, for reports, show a cloud from the front.
class CloudDataset final : public data::Dataset {
 public:
  explicit CloudDataset(points::CloudSet set) : set_(std::move(set)) {}

  [[nodiscard]] const points::CloudSet& set() const noexcept { return set_; }
  [[nodiscard]] std::int64_t size() const noexcept override { return set_.size(); }
  [[nodiscard]] data::Sample get(std::int64_t index) const override;
  [[nodiscard]] std::int64_t label(std::int64_t index) const override;
  [[nodiscard]] std::string name(std::int64_t index) const override;
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override {
    return set_.class_names;
  }

 private:
  points::CloudSet set_;
};

/// Opens the training or test clouds that a recipe names, with its limits, each reduced to its pool
/// by furthest point sampling.
///
/// @param count  points that the model is given.
/// @throws ConfigError, IoError, FormatError, ShapeError as the format's own function;
///         UnsupportedError for HDF5 in a build without it.
[[nodiscard]] data::OpenedDataset open_clouds(const data::DataOptions& data, data::Split split,
                                              const CloudOptions& options, std::int64_t count);

/// Whole pools [M, 3], scaled and shifted at random in training.
/// @throws ConfigError if the dataset holds no clouds.
[[nodiscard]] std::shared_ptr<const data::SampleSource> make_cloud_source(
    std::shared_ptr<const data::Dataset> dataset, const CloudOptions& options, data::Split split);

}  // namespace conopa::tasks

template <>
struct conopa::EnumNames<conopa::tasks::CloudFormat> {
  static constexpr std::array<std::string_view, 2> kNames = {"scan_object", "model_net"};
};

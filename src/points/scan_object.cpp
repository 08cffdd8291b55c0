#include "conopa/points/scan_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "conopa/core/error.h"
#include "points/hdf5.h"

namespace conopa::points {
namespace {

constexpr std::int64_t kMostClasses = 65'536;

std::vector<std::int64_t> read_labels(const std::filesystem::path& file, std::int64_t clouds) {
  const HostTensor labels = read_hdf5(file, "label", Hdf5Numbers::kInteger);
  const Shape& shape = labels.shape();
  if ((shape != Shape{clouds} && shape != Shape{clouds, 1})) {
    throw ShapeError(file.string(), "expected `label` [{}], one a cloud, found {}", clouds,
                     to_string(shape));
  }
  const std::span values = labels.data<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0 && values[i] < kMostClasses) continue;
    throw FormatError(file.string(), "expected labels from 0 to {}, found {} at cloud {}",
                      kMostClasses - 1, values[i], i);
  }
  return {values.begin(), values.end()};
}

}  // namespace

std::filesystem::path scan_object_file(const std::filesystem::path& folder, std::string_view split,
                                       std::string_view variant) {
  if (split != "train" && split != "test") {
    throw ConfigError("split", "expected 'train' or 'test', got '{}'", split);
  }
  return folder / fmt::format("{}_objectdataset{}{}.h5", split == "train" ? "training" : "test",
                              variant.empty() ? "" : "_", variant);
}

CloudSet read_scan_object(const std::filesystem::path& file) {
  CloudSet set{.name = file.string(),
               .points = read_hdf5(file, "data", Hdf5Numbers::kReal),
               .labels = {},
               .class_names = {}};
  const Shape& shape = set.points.shape();
  if (shape.size() != 3 || shape[2] != 3) {
    throw ShapeError(set.name,
                     "expected `data` [clouds, points, 3], found {}; this is not a file "
                     "in the form of ScanObjectNN",
                     to_string(shape));
  }
  set.labels = read_labels(file, shape[0]);
  const std::int64_t largest = *std::max_element(set.labels.begin(), set.labels.end());
  const std::array names{file.parent_path() / "shape_names.txt"};
  set.class_names = read_class_names(names, largest + 1);
  set.check();
  return set;
}

void write_scan_object(const std::filesystem::path& file, const CloudSet& set) {
  set.check();
  const std::array<NamedTensor, 2> datasets{
      NamedTensor{"data", set.points},
      NamedTensor{"label", HostTensor::of<std::int64_t>(DType::kI64, {set.size()}, set.labels)}};
  write_hdf5(file, datasets);
}

}  // namespace conopa::points

#include "conopa/points/cloud_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/io/mapped_file.h"
#include "conopa/points/augment.h"
#include "conopa/points/sampling.h"
#include "points/lines.h"

namespace conopa::points {

std::span<const float> CloudSet::cloud(std::int64_t index) const {
  const auto size = static_cast<std::size_t>(points_per_cloud() * 3);
  return points.data<float>().subspan(static_cast<std::size_t>(index) * size, size);
}

void CloudSet::check() const {
  const Shape& shape = points.shape();
  if (points.dtype() != DType::kF32 || shape.size() != 3 || shape[0] < 1 || shape[1] < 1 ||
      shape[2] != 3) {
    throw ShapeError(name, "expected float32 points [clouds, points, 3], found {}",
                     to_string(shape));
  }
  if (shape[0] != size()) {
    throw ShapeError(name, "expected one label a cloud, found {} clouds and {} labels", shape[0],
                     size());
  }
  const auto classes = static_cast<std::int64_t>(class_names.size());
  for (std::int64_t i = 0; i < size(); ++i) {
    const std::int64_t label = labels[static_cast<std::size_t>(i)];
    if (label < 0 || label >= classes) {
      throw FormatError(name,
                        "expected labels from 0 to {}, found {} at cloud {}; check the label "
                        "data and the file of class names",
                        classes - 1, label, i);
    }
    require_finite(cloud(i), name, i);
  }
}

void require_finite(std::span<const float> points, std::string_view file, std::int64_t cloud) {
  const auto bad =
      std::find_if(points.begin(), points.end(), [](float value) { return !std::isfinite(value); });
  if (bad == points.end()) return;
  throw FormatError(file,
                    "expected finite coordinates, found {} at point {} of cloud {}; remove "
                    "or repair the cloud",
                    *bad, (bad - points.begin()) / 3, cloud);
}

std::vector<std::string> read_class_names(std::span<const std::filesystem::path> files,
                                          std::int64_t classes) {
  std::vector<std::string> names;
  for (const std::filesystem::path& file : files) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored)) continue;
    names = read_lines(file);
    if (names.empty()) throw FormatError(file.string(), "expected a class name a line, found none");
    std::set<std::string> seen;
    for (const std::string& name : names) {
      if (!seen.insert(name).second) {
        throw FormatError(file.string(), "expected every class name once, found '{}' twice", name);
      }
    }
    return names;
  }
  for (std::int64_t k = 0; k < classes; ++k) names.push_back(std::to_string(k));
  return names;
}

CloudSet furthest_subset(const CloudSet& set, std::int64_t count) {
  if (set.points_per_cloud() < count) {
    throw ShapeError(set.name,
                     "expected clouds of at least {} points, found {}; choose fewer points", count,
                     set.points_per_cloud());
  }
  CloudSet out{.name = set.name,
               .points = HostTensor::zeros(DType::kF32, {set.size(), count, 3}),
               .labels = set.labels,
               .class_names = set.class_names};
  const std::span target = out.points.mutable_data<float>();
  const auto width = static_cast<std::size_t>(count * 3);
  parallel_for(0, set.size(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::vector<float> taken =
          take_points(set.cloud(i), furthest_points(set.cloud(i), count));
      std::copy(taken.begin(), taken.end(),
                target.begin() + i * static_cast<std::ptrdiff_t>(width));
    }
  });
  return out;
}

CloudSet normalised(const CloudSet& set) {
  CloudSet out = set;
  out.points = HostTensor::of<float>(DType::kF32, set.points.shape(), set.points.data<float>());
  const std::span values = out.points.mutable_data<float>();
  const auto width = static_cast<std::size_t>(set.points_per_cloud() * 3);
  parallel_for(0, set.size(), 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      normalise_to_unit_ball(values.subspan(i * width, width));
    }
  });
  return out;
}

}  // namespace conopa::points

#include "conopa/points/model_net.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/fingerprint.h"
#include "conopa/core/log.h"
#include "conopa/core/nearest.h"
#include "conopa/core/parallel.h"
#include "conopa/io/mapped_file.h"
#include "conopa/points/sampling.h"
#include "points/fps_cache.h"
#include "points/lines.h"

namespace conopa::points {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBlanks = " \t";

struct ShapeFile {
  fs::path path;
  std::int64_t label = 0;
};

// The class and file of a list's line: all before the last underscore is the class.
ShapeFile locate(const fs::path& folder, const fs::path& list, const std::string& shape,
                 const std::vector<std::string>& names) {
  const std::size_t end = shape.rfind('_');
  const std::string name = shape.substr(0, end == std::string::npos ? 0 : end);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end() || shape.find('/') != std::string::npos) {
    throw FormatError(list.string(),
                      "expected CLASS_NUMBER with a class of the shape names, found "
                      "'{}'{}",
                      shape, did_you_mean(name, names));
  }
  return {.path = folder / name / (shape + ".txt"), .label = found - names.begin()};
}

std::string fingerprint_of(const std::vector<ShapeFile>& files, std::int64_t points) {
  Fingerprint print;
  print.add(std::to_string(points));
  for (const ShapeFile& file : files) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file.path, error);
    if (error) {
      throw IoError(file.path.string(),
                    "cannot be read: {}; every shape of the list needs its "
                    "file",
                    error.message());
    }
    print.add(file.path.filename().string()).add(std::to_string(size));
    print.add(std::to_string(file.label));
  }
  return print.hex();
}

// One line's x, y, z; false if there are not three numbers.
bool parse_point(std::string_view line, std::array<float, 3>& point) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::size_t first = line.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return false;
    line.remove_prefix(first);
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), point[axis]);
    if (error != std::errc()) return false;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    const std::size_t next = std::min(line.find_first_not_of(kBlanks), line.size());
    line.remove_prefix(next);
    if (!line.empty() && line.front() == ',') line.remove_prefix(1);
  }
  return true;
}

CloudSet read_shapes(const std::vector<ShapeFile>& files, std::int64_t points) {
  const auto count = static_cast<std::int64_t>(files.size());
  CloudSet set{.name = {},
               .points = HostTensor::zeros(DType::kF32, {count, points, 3}),
               .labels = std::vector<std::int64_t>(files.size()),
               .class_names = {}};
  const std::span target = set.points.mutable_data<float>();
  parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const ShapeFile& file = files[static_cast<std::size_t>(i)];
      const std::vector<float> all = read_model_net_shape(file.path);
      if (static_cast<std::int64_t>(all.size()) / 3 < points) {
        throw ShapeError(file.path.string(), "expected at least {} points, found {}; choose fewer",
                         points, all.size() / 3);
      }
      require_finite(all, file.path.string(), i);
      const std::vector<float> taken = take_points(all, furthest_points(all, points));
      std::copy(taken.begin(), taken.end(), target.begin() + i * points * 3);
      set.labels[static_cast<std::size_t>(i)] = file.label;
    }
  });
  return set;
}

std::vector<std::string> read_names(const fs::path& folder, const ModelNetOptions& options) {
  const std::array file{folder / (options.prefix + "_shape_names.txt")};
  std::error_code ignored;
  if (!fs::is_regular_file(file[0], ignored)) {
    throw IoError(file[0].string(),
                  "the file is missing; expected a folder in the form of "
                  "ModelNet40 with lists of that prefix");
  }
  return read_class_names(file, 0);
}

}  // namespace

std::vector<float> read_model_net_shape(const fs::path& file) {
  const std::string text = read_text_file(file);
  std::vector<float> points;
  std::int64_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(kBlanks) == std::string_view::npos) continue;
    std::array<float, 3> point{};
    if (!parse_point(line, point)) {
      throw FormatError(file.string(),
                        "expected x, y, z separated by commas on line {}, found other text",
                        number);
    }
    points.insert(points.end(), point.begin(), point.end());
  }
  if (points.empty()) throw FormatError(file.string(), "expected a point a line, found none");
  return points;
}

CloudSet open_model_net(const fs::path& folder, std::string_view split,
                        const ModelNetOptions& options) {
  if (options.points < 1) {
    throw ConfigError("points", "expected at least 1 point a cloud, got {}", options.points);
  }
  const std::vector<std::string> names = read_names(folder, options);
  const fs::path list = folder / fmt::format("{}_{}.txt", options.prefix, split);
  std::vector<ShapeFile> files;
  for (const std::string& shape : read_lines(list)) {
    files.push_back(locate(folder, list, shape, names));
  }
  if (files.empty()) throw FormatError(list.string(), "expected a shape a line, found none");
  const std::string print = fingerprint_of(files, options.points);
  const fs::path cache =
      folder / fmt::format("{}_{}_{}pts_fps.safetensors", options.prefix, split, options.points);
  std::optional<CloudSet> set;
  if (options.cache) set = load_fps_cache(cache, print);
  if (!set) {
    set = read_shapes(files, options.points);
    if (options.cache) save_fps_cache(cache, *set, print);
  }
  set->name = list.string();
  set->class_names = names;
  set->check();
  return normalised(*set);
}

}  // namespace conopa::points

#include "conopa/points/solids.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/points/augment.h"

namespace conopa::points {
namespace {

using Vec3 = std::array<double, 3>;

Vec3 vertex(const Mesh& mesh, std::int64_t index) {
  const float* at = mesh.vertices.data() + index * 3;
  return {double{at[0]}, double{at[1]}, double{at[2]}};
}

double area(const Mesh& mesh, const std::array<std::int64_t, 3>& triangle) {
  const Vec3 a = vertex(mesh, triangle[0]);
  const Vec3 b = vertex(mesh, triangle[1]);
  const Vec3 c = vertex(mesh, triangle[2]);
  const Vec3 u{b[0] - a[0], b[1] - a[1], b[2] - a[2]};
  const Vec3 v{c[0] - a[0], c[1] - a[1], c[2] - a[2]};
  return 0.5 * std::hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2],
                          u[0] * v[1] - u[1] * v[0]);
}

// A direction, evenly on the sphere.
Vec3 random_direction(Rng& rng) {
  Vec3 out{};
  double length = 0.0;
  while (length < 1e-6) {
    for (double& value : out) value = rng.normal();
    length = std::hypot(out[0], out[1], out[2]);
  }
  for (double& value : out) value /= length;
  return out;
}

// Rows of an even random rotation, from a unit quaternion.
std::array<Vec3, 3> random_rotation(Rng& rng) {
  std::array<double, 4> q{};
  double length = 0.0;
  while (length < 1e-6) {
    for (double& value : q) value = rng.normal();
    length = std::sqrt(std::inner_product(q.begin(), q.end(), q.begin(), 0.0));
  }
  for (double& value : q) value /= length;
  const auto [w, x, y, z] = q;
  return {Vec3{1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)},
          Vec3{2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)},
          Vec3{2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)}};
}

void pose(std::span<float> points, Rng& rng) {
  const std::array<Vec3, 3> rotation = random_rotation(rng);
  Vec3 scale{};
  for (double& value : scale) value = rng.uniform(0.8, 1.25);
  for (std::size_t i = 0; i < points.size(); i += 3) {
    const Vec3 p{points[i] * scale[0], points[i + 1] * scale[1], points[i + 2] * scale[2]};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const Vec3& row = rotation[axis];
      points[i + axis] = static_cast<float>(row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);
    }
  }
}

// Keeps the `count` points that lie lowest along a random direction, in their order.
std::vector<float> cut_away(std::span<const float> points, std::int64_t count, Rng& rng) {
  const Vec3 direction = random_direction(rng);
  std::vector<double> heights;
  for (std::size_t i = 0; i < points.size(); i += 3) {
    heights.push_back(points[i] * direction[0] + points[i + 1] * direction[1] +
                      points[i + 2] * direction[2]);
  }
  std::vector<std::size_t> order(heights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return heights[a] < heights[b]; });
  order.resize(static_cast<std::size_t>(count));
  std::sort(order.begin(), order.end());
  std::vector<float> out;
  for (const std::size_t index : order) {
    for (std::size_t axis = 0; axis < 3; ++axis) out.push_back(points[index * 3 + axis]);
  }
  return out;
}

std::vector<float> make_cloud(const SolidsOptions& options, std::int64_t index) {
  Rng rng(static_cast<std::uint64_t>(options.seed), RngPurpose::kSample,
          static_cast<std::uint64_t>(options.split), static_cast<std::uint64_t>(index));
  const auto classes = static_cast<std::int64_t>(solid_names().size());
  const Mesh mesh = solid(index % classes, rng);
  const double part = rng.uniform(0.0, options.cut);
  const auto drawn =
      static_cast<std::int64_t>(std::ceil(static_cast<double>(options.points) / (1.0 - part)));
  std::vector<float> points = sample_surface(mesh, drawn, rng);
  pose(points, rng);
  points = cut_away(points, options.points, rng);
  for (float& value : points) value += static_cast<float>(rng.normal(0.0, options.noise));
  normalise_to_unit_ball(points);
  return points;
}

}  // namespace

std::vector<float> sample_surface(const Mesh& mesh, std::int64_t count, Rng& rng) {
  std::vector<double> ends;
  double total = 0.0;
  for (const auto& triangle : mesh.triangles) ends.push_back(total += area(mesh, triangle));
  if (!(total > 0.0) || !std::isfinite(total)) {
    throw ShapeError("sample_surface", "expected a mesh with an area, found {}", total);
  }
  std::vector<float> points;
  points.reserve(static_cast<std::size_t>(count) * 3);
  for (std::int64_t i = 0; i < count; ++i) {
    const double place = rng.uniform(0.0, total);
    const auto found = std::upper_bound(ends.begin(), ends.end() - 1, place) - ends.begin();
    const auto& triangle = mesh.triangles[static_cast<std::size_t>(found)];
    const double root = std::sqrt(rng.uniform());
    const double third = root * rng.uniform();
    const std::array<double, 3> weights{1.0 - root, root - third, third};
    Vec3 point{};
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const Vec3 at = vertex(mesh, triangle[corner]);
      for (std::size_t axis = 0; axis < 3; ++axis) point[axis] += weights[corner] * at[axis];
    }
    for (const double value : point) points.push_back(static_cast<float>(value));
  }
  return points;
}

void SolidsOptions::validate() const {
  if (clouds < 1 || points < 1 || split < 0) {
    throw ConfigError("solids", "expected at least one cloud of one point, got {} of {}", clouds,
                      points);
  }
  if (!(noise >= 0.0) || !std::isfinite(noise)) {
    throw ConfigError("noise", "expected a number of at least 0, got {}", noise);
  }
  if (!(cut >= 0.0 && cut <= 0.8)) {
    throw ConfigError("cut", "expected a part from 0 to 0.8, got {}", cut);
  }
}

CloudSet make_solids(const SolidsOptions& options) {
  options.validate();
  const auto classes = static_cast<std::int64_t>(solid_names().size());
  CloudSet set{.name = "solids",
               .points = HostTensor::zeros(DType::kF32, {options.clouds, options.points, 3}),
               .labels = {},
               .class_names = {solid_names().begin(), solid_names().end()}};
  for (std::int64_t i = 0; i < options.clouds; ++i) set.labels.push_back(i % classes);
  const std::span target = set.points.mutable_data<float>();
  parallel_for(0, options.clouds, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::vector<float> cloud = make_cloud(options, i);
      std::copy(cloud.begin(), cloud.end(), target.begin() + i * options.points * 3);
    }
  });
  return set;
}

}  // namespace conopa::points

// The solids as triangles: most are a profile turned around the z axis, those with flat sides in
// few steps.

#include <cmath>
#include <numbers>

#include "conopa/core/error.h"
#include "conopa/points/solids.h"

namespace conopa::points {
namespace {

using std::numbers::pi;

constexpr std::array<std::string_view, 10> kNames = {
    "sphere", "cube", "cylinder", "cone", "torus", "pyramid", "prism", "capsule", "bowl", "spring"};
constexpr std::int64_t kRound = 48;  // steps of what is round

// A point of a profile: distance from the axis and height.
struct ProfilePoint {
  double radius;
  double height;
};
using Profile = std::vector<ProfilePoint>;

void add_vertex(Mesh& mesh, double x, double y, double z) {
  for (const double value : {x, y, z}) mesh.vertices.push_back(static_cast<float>(value));
}

// Two triangles for each cell of a grid of vertices [rows, columns] whose columns close a ring.
void add_cells(Mesh& mesh, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r + 1 < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t next = (c + 1) % columns;
      const std::int64_t a = r * columns + c;
      const std::int64_t b = r * columns + next;
      mesh.triangles.push_back({a, b, a + columns});
      mesh.triangles.push_back({b, b + columns, a + columns});
    }
  }
}

Mesh turn(const Profile& profile, std::int64_t steps) {
  Mesh mesh;
  for (const auto& [radius, height] : profile) {
    for (std::int64_t s = 0; s < steps; ++s) {
      const double angle = 2.0 * pi * static_cast<double>(s) / static_cast<double>(steps);
      add_vertex(mesh, radius * std::cos(angle), radius * std::sin(angle), height);
    }
  }
  add_cells(mesh, static_cast<std::int64_t>(profile.size()), steps);
  return mesh;
}

// A piece of a circle around (centre, height), angles from the direction of the axis downwards.
void add_arc(Profile& profile, ProfilePoint centre, double radius, double from, double to) {
  for (std::int64_t i = 0; i <= kRound / 2; ++i) {
    const double angle = from + (to - from) * static_cast<double>(i) / (kRound / 2.0);
    profile.push_back(
        {centre.radius + radius * std::sin(angle), centre.height + radius * std::cos(angle)});
  }
}

Mesh prism(std::int64_t steps, double radius, double half) {
  return turn({{0.0, half}, {radius, half}, {radius, -half}, {0.0, -half}}, steps);
}

Mesh pyramid(std::int64_t steps, double radius, double half) {
  return turn({{0.0, half}, {radius, -half}, {0.0, -half}}, steps);
}

Mesh capsule(double radius, double half) {
  Profile profile;
  add_arc(profile, {0.0, half}, radius, 0.0, pi / 2.0);
  add_arc(profile, {0.0, -half}, radius, pi / 2.0, pi);
  return turn(profile, kRound);
}

Mesh bowl(double thickness) {
  Profile profile;
  add_arc(profile, {0.0, 0.5}, 1.0, pi, pi / 2.0);
  add_arc(profile, {0.0, 0.5}, 1.0 - thickness, pi / 2.0, pi);
  return turn(profile, kRound);
}

Mesh torus(double ring, double tube) {
  Profile profile;
  add_arc(profile, {ring, 0.0}, tube, 0.0, 2.0 * pi);
  return turn(profile, kRound);
}

Mesh spring(double turns, double tube) {
  Mesh mesh;
  const std::int64_t steps = 40 * static_cast<std::int64_t>(turns + 1.0);
  constexpr std::int64_t kSides = 12;
  for (std::int64_t s = 0; s <= steps; ++s) {
    const double along = static_cast<double>(s) / static_cast<double>(steps);
    const double angle = 2.0 * pi * turns * along;
    for (std::int64_t k = 0; k < kSides; ++k) {
      const double side = 2.0 * pi * static_cast<double>(k) / kSides;
      const double radius = 0.8 + tube * std::cos(side);
      add_vertex(mesh, radius * std::cos(angle), radius * std::sin(angle),
                 2.0 * along - 1.0 + tube * std::sin(side));
    }
  }
  add_cells(mesh, steps + 1, kSides);
  return mesh;
}

}  // namespace

std::span<const std::string_view> solid_names() { return kNames; }

Mesh solid(std::int64_t kind, Rng& rng) {
  Profile sphere;
  switch (kind) {
    case 0:
      add_arc(sphere, {0.0, 0.0}, 1.0, 0.0, pi);
      return turn(sphere, kRound);
    case 1:
      return prism(4, 1.0, rng.uniform(0.6, 0.8));  // a side is radius·√2
    case 2:
      return prism(kRound, 0.7, rng.uniform(0.6, 1.0));
    case 3:
      return pyramid(kRound, 0.8, rng.uniform(0.6, 1.0));
    case 4:
      return torus(0.75, rng.uniform(0.15, 0.3));
    case 5:
      return pyramid(4, 1.0, rng.uniform(0.5, 0.8));
    case 6:
      return prism(3, 0.9, rng.uniform(0.5, 0.9));
    case 7:
      return capsule(rng.uniform(0.35, 0.5), 0.6);
    case 8:
      return bowl(rng.uniform(0.08, 0.2));
    default:
      CONOPA_ASSERT(kind == 9);
      return spring(rng.uniform(2.0, 3.5), rng.uniform(0.08, 0.16));
  }
}

}  // namespace conopa::points

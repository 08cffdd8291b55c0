#include "conopa/engine/token_batches.h"

#include <map>
#include <utility>

#include "conopa/core/error.h"

namespace conopa::engine {
namespace {

constexpr std::string_view kWhere = "batches";

}  // namespace

std::vector<std::vector<std::size_t>> batches_by_tokens(std::span<const ImageSize> sizes,
                                                        std::int64_t patch,
                                                        std::int64_t max_tokens) {
  if (patch < 1 || max_tokens < 1) {
    throw ConfigError(kWhere, "expected patch and max_tokens of at least 1, got {} and {}", patch,
                      max_tokens);
  }
  using Grid = std::pair<std::int64_t, std::int64_t>;
  std::vector<std::pair<Grid, std::vector<std::size_t>>> groups;
  std::map<Grid, std::size_t> group_of;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const Grid grid{sizes[i].height / patch, sizes[i].width / patch};
    if (grid.first < 1 || grid.second < 1 || grid.first > max_tokens / grid.second) {
      throw ShapeError(kWhere,
                       "expected images of 1 to {} patches of {} px, image {} has {}x{} px; resize "
                       "it, or allow more tokens in a batch",
                       max_tokens, patch, i, sizes[i].height, sizes[i].width);
    }
    const auto [place, added] = group_of.try_emplace(grid, groups.size());
    if (added) groups.push_back({grid, {}});
    groups[place->second].second.push_back(i);
  }
  std::vector<std::vector<std::size_t>> out;
  for (const auto& [grid, images] : groups) {
    const auto most = static_cast<std::size_t>(max_tokens / (grid.first * grid.second));
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (i % most == 0) out.emplace_back();
      out.back().push_back(images[i]);
    }
  }
  return out;
}

void check_native_size(std::int64_t height, std::int64_t width, std::int64_t patch,
                       std::int64_t min, std::int64_t max, std::string_view where) {
  if (patch < 1) throw ConfigError(kWhere, "expected a patch of at least 1 px, got {}", patch);
  const std::int64_t rows = height / patch;
  const std::int64_t cols = width / patch;
  if (rows >= 1 && cols >= 1 && rows <= max / cols && rows * cols >= min) return;
  throw ShapeError(where,
                   "expected an image of {} to {} patches of {} px, found {}x{} px with {} x {} "
                   "patches; resize it",
                   min, max, patch, height, width, rows, cols);
}

}  // namespace conopa::engine

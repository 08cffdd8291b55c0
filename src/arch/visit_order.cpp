#include "conopa/arch/visit_order.h"

#include <algorithm>
#include <numeric>

#include "arch/visit_tables.h"
#include "conopa/core/error.h"
#include "conopa/core/rng.h"

namespace conopa::arch {
namespace {

using Order = std::vector<std::int64_t>;

// Part of "same recipe, same bytes": never change it.
constexpr std::uint64_t kFixedSeed = 0x41494D;

Order raster(std::int64_t rows, std::int64_t cols) {
  Order out(static_cast<std::size_t>(rows * cols));
  std::iota(out.begin(), out.end(), std::int64_t{0});
  return out;
}

Order by_column(std::int64_t rows, std::int64_t cols) {
  Order out;
  out.reserve(static_cast<std::size_t>(rows * cols));
  for (std::int64_t c = 0; c < cols; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) out.push_back(r * cols + c);
  }
  return out;
}

Order reversed(Order order) {
  std::ranges::reverse(order);
  return order;
}

// Ring by ring from the outside: down the left side, right, up, and left again.
Order inwards(std::int64_t rows, std::int64_t cols) {
  Order out;
  out.reserve(static_cast<std::size_t>(rows * cols));
  std::int64_t top = 0, bottom = rows - 1, left = 0, right = cols - 1;
  while (top <= bottom && left <= right) {
    for (std::int64_t r = top; r <= bottom; ++r) out.push_back(r * cols + left);
    ++left;
    for (std::int64_t c = left; c <= right; ++c) out.push_back(bottom * cols + c);
    --bottom;
    if (left <= right) {
      for (std::int64_t r = bottom; r >= top; --r) out.push_back(r * cols + right);
      --right;
    }
    if (top <= bottom) {
      for (std::int64_t c = right; c >= left; --c) out.push_back(top * cols + c);
      ++top;
    }
  }
  return out;
}

Order checkerboard(std::int64_t rows, std::int64_t cols) {
  Order out;
  out.reserve(static_cast<std::size_t>(rows * cols));
  for (const std::int64_t odd : {0, 1}) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = (r + odd) % 2; c < cols; c += 2) out.push_back(r * cols + c);
    }
  }
  return out;
}

// Fixed orders and drawn ones have different epochs, so that no seed repeats a fixed one.
Order shuffled(std::int64_t count, std::uint64_t seed, std::uint64_t epoch) {
  return Rng(seed, RngPurpose::kVisitOrder, epoch).permutation(count);
}

Order fixed_random(std::int64_t rows, std::int64_t cols) {
  const std::span<const std::uint8_t> table = official_fixed_order(rows, cols);
  if (!table.empty()) return {table.begin(), table.end()};
  // Grids of as many patches but other sides get orders of their own.
  return shuffled(rows * cols, kFixedSeed, static_cast<std::uint64_t>(cols));
}

}  // namespace

Order visit_order(VisitOrder order, std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  if (rows < 1 || cols < 1 || rows > kMaxVisitedPatches / cols) {
    throw ConfigError("visit_order",
                      "expected a grid of at least one and at most {} patches, got {}x{}; check "
                      "image size and patch",
                      kMaxVisitedPatches, rows, cols);
  }
  switch (order) {
    case VisitOrder::kRaster:
      break;
    case VisitOrder::kReverseRaster:
      return reversed(raster(rows, cols));
    case VisitOrder::kColumn:
      return by_column(rows, cols);
    case VisitOrder::kReverseColumn:
      return reversed(by_column(rows, cols));
    case VisitOrder::kSpiral:
      return reversed(inwards(rows, cols));
    case VisitOrder::kCheckerboard:
      return checkerboard(rows, cols);
    case VisitOrder::kFixedRandom:
      return fixed_random(rows, cols);
    case VisitOrder::kRandom:
      return shuffled(rows * cols, seed, 0);
  }
  return raster(rows, cols);
}

Order visit_places(const Order& order) {
  Order out(order.size());
  for (std::size_t place = 0; place < order.size(); ++place) {
    out.at(static_cast<std::size_t>(order[place])) = static_cast<std::int64_t>(place);
  }
  return out;
}

}  // namespace conopa::arch

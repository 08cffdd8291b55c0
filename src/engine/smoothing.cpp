#include "engine/smoothing.h"

#include <algorithm>
#include <cmath>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"

namespace conopa::engine {
namespace {

namespace names = arch::names;

// Factors beyond these would trade one kind of rounding for another.
constexpr double kSmallest = 1e-2;
constexpr double kLargest = 1e2;

std::vector<std::string> with_bias(const std::string& prefix) {
  return {prefix + ".weight", prefix + ".bias"};
}

// Elements behind one index of the second axis.
std::int64_t taps_of(const Shape& shape) {
  std::int64_t taps = 1;
  for (std::size_t axis = 2; axis < shape.size(); ++axis) taps *= shape[axis];
  return taps;
}

// Largest magnitude of every column over the readers.
std::vector<float> column_ranges(const FloatBlock& block, const SmoothGroup& group,
                                 std::size_t columns) {
  std::vector<float> largest(columns, 0.0F);
  for (const std::string& name : group.readers) {
    const std::vector<float>& values = block.values.at(name);
    const auto taps = static_cast<std::size_t>(taps_of(block.shapes.at(name)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      float& most = largest[i / taps % columns];
      most = std::max(most, std::abs(values[i]));
    }
  }
  return largest;
}

}  // namespace

std::vector<SmoothGroup> smooth_groups(const arch::BlockSpec& block) {
  const auto weight = [&block](std::string_view layer) { return block.name(layer) + ".weight"; };
  std::vector<SmoothGroup> out;
  SmoothGroup attention{.reader = LinearReader::kAttention,
                        .readers = {},
                        .makers = with_bias(block.name(names::kNorm1))};
  std::string_view value_layer = names::kQkv;
  std::int64_t value_rows = 2 * block.dim;
  if (block.separate_queries) {
    value_layer = names::kKeyValue;
    value_rows = block.dim;
    attention.readers = {weight(names::kQuery)};
    if (block.reduction > 1) {
      attention.readers.push_back(weight(names::kPool));
      out.push_back({.reader = LinearReader::kPooledKeys,
                     .readers = {weight(names::kKeyValue)},
                     .makers = with_bias(block.name(names::kPoolNorm))});
    } else {
      attention.readers.push_back(weight(names::kKeyValue));
    }
  } else {
    attention.readers = {weight(names::kQkv)};
  }
  out.push_back(std::move(attention));
  out.push_back({.reader = LinearReader::kProjection,
                 .readers = {weight(names::kProj)},
                 .makers = with_bias(block.name(value_layer)),
                 .offset = value_rows});
  SmoothGroup feed{.reader = LinearReader::kFeedForward,
                   .readers = {weight(names::kUp)},
                   .makers = with_bias(block.name(names::kNorm2))};
  if (block.mlp == arch::Mlp::kSwiglu) {
    feed.readers.push_back(weight(names::kGate));
    // silu(gate) * up is linear in up; GELU is not linear in anything.
    out.push_back({.reader = LinearReader::kDown,
                   .readers = {weight(names::kDown)},
                   .makers = with_bias(block.name(names::kUp))});
  }
  out.push_back(std::move(feed));
  return out;
}

std::vector<float> smoothing_factors(const FloatBlock& block, const SmoothGroup& group,
                                     const InputRange& range, double share) {
  const std::size_t columns = range.largest.size();
  const std::vector<float> weights = column_ranges(block, group, columns);
  std::vector<double> logs(columns, 0.0);
  double sum = 0.0;
  std::size_t used = 0;
  for (std::size_t j = 0; j < columns; ++j) {
    if (!(range.largest[j] > 0.0F) || !(weights[j] > 0.0F)) continue;
    logs[j] = share * std::log(static_cast<double>(range.largest[j])) -
              (1.0 - share) * std::log(static_cast<double>(weights[j]));
    sum += logs[j];
    ++used;
  }
  const double mean = used == 0 ? 0.0 : sum / static_cast<double>(used);
  std::vector<float> factors(columns, 1.0F);
  for (std::size_t j = 0; j < columns; ++j) {
    if (!(range.largest[j] > 0.0F) || !(weights[j] > 0.0F)) continue;
    factors[j] = static_cast<float>(std::clamp(std::exp(logs[j] - mean), kSmallest, kLargest));
  }
  return factors;
}

void apply_smoothing(FloatBlock& block, const SmoothGroup& group, std::span<const float> factors) {
  const auto columns = factors.size();
  for (const std::string& name : group.makers) {
    const auto found = block.values.find(name);
    if (found == block.values.end()) continue;  // no bias
    std::vector<float>& values = found->second;
    const auto rows = static_cast<std::size_t>(block.shapes.at(name).at(0));
    const std::size_t width = values.size() / rows;
    const auto first = static_cast<std::size_t>(group.offset);
    CONOPA_ASSERT(first + columns <= rows);
    for (std::size_t j = 0; j < columns; ++j) {
      for (std::size_t i = 0; i < width; ++i) values[(first + j) * width + i] /= factors[j];
    }
  }
  for (const std::string& name : group.readers) {
    std::vector<float>& values = block.values.at(name);
    const auto taps = static_cast<std::size_t>(taps_of(block.shapes.at(name)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] *= factors[i / taps % columns];
  }
}

}  // namespace conopa::engine

#include "conopa/eval/activation_map.h"

#include <algorithm>
#include <cmath>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/eval/spectrum.h"

namespace conopa::eval {
namespace {

bool all_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

// Distance of each token from the mean of its group; of kAll all tokens are one group, of kColumn
// token t belongs to group t mod cols.
std::vector<double> distances(std::span<const double> values, const TokenGrid& grid,
                              MeanOver mean_over) {
  const auto C = static_cast<std::size_t>(grid.width);
  const std::size_t tokens = values.size() / C;
  const std::size_t groups =
      mean_over == MeanOver::kColumn ? static_cast<std::size_t>(grid.cols) : 1;
  std::vector<double> mean(groups * C);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t c = 0; c < C; ++c) mean[t % groups * C + c] += values[t * C + c];
  }
  for (double& x : mean) x /= static_cast<double>(tokens / groups);
  std::vector<double> out(tokens);
  for (std::size_t t = 0; t < tokens; ++t) {
    double sum = 0.0;
    for (std::size_t c = 0; c < C; ++c) {
      const double difference = values[t * C + c] - mean[t % groups * C + c];
      sum += difference * difference;
    }
    out[t] = std::sqrt(sum);
  }
  return out;
}

}  // namespace

void TokenGrid::validate() const {
  if (rows < 1 || cols < 1 || width < 1 || std::ssize(tokens) != rows * cols * width) {
    throw ShapeError("activation map", "expected {}x{} tokens of {} numbers, got {} numbers", rows,
                     cols, width, tokens.size());
  }
  if (!all_finite(tokens)) {
    throw FormatError("activation map",
                      "expected finite features, found NaN or infinity; check the model, or use "
                      "precision fp32");
  }
}

std::vector<double> min_max_scaled(std::span<const double> values) {
  if (values.empty()) return {};
  const auto [low, high] = std::ranges::minmax(values);
  std::vector<double> out(values.size());
  if (!(high > low)) return out;
  for (std::size_t i = 0; i < values.size(); ++i) out[i] = (values[i] - low) / (high - low);
  return out;
}

std::vector<double> magnitude_activation(const TokenGrid& grid, MeanOver mean) {
  grid.validate();
  const std::vector<double> values(grid.tokens.begin(), grid.tokens.end());
  return min_max_scaled(distances(values, grid, mean));
}

std::vector<double> frequency_activation(const TokenGrid& grid, MeanOver mean) {
  return min_max_scaled(distances(channel_phases(grid), grid, mean));
}

std::vector<double> channel_phases(const TokenGrid& grid) {
  grid.validate();
  const auto C = static_cast<std::size_t>(grid.width);
  const RealSpectrum plan(grid.width);
  std::vector<double> out(grid.tokens.size());
  parallel_for(0, grid.rows * grid.cols, 16, [&](std::int64_t begin, std::int64_t end) {
    RealSpectrum spectrum = plan;  // a buffer of its own
    std::vector<std::complex<double>> bins(static_cast<std::size_t>(spectrum.bins()));
    for (auto t = static_cast<std::size_t>(begin); t < static_cast<std::size_t>(end); ++t) {
      spectrum.run(grid.tokens.subspan(t * C, C), bins);
      double* phases = out.data() + t * C;
      for (std::size_t k = 0; k < bins.size(); ++k) {
        phases[k] = std::arg(bins[k]);
        if (k > 0 && 2 * k < C) phases[C - k] = -phases[k];  // of the conjugate bin
      }
    }
  });
  return out;
}

std::vector<double> attention_activation(std::span<const float> scores, std::int64_t tokens) {
  if (tokens < 1 || scores.empty() || std::ssize(scores) % tokens != 0) {
    throw ShapeError("activation map", "expected [heads, {}] scores, got {}", tokens,
                     scores.size());
  }
  if (!all_finite(scores)) {
    throw FormatError("activation map", "expected finite scores, found NaN or infinity");
  }
  std::vector<double> sums(static_cast<std::size_t>(tokens));
  for (std::size_t i = 0; i < scores.size(); ++i) {
    sums[i % sums.size()] += static_cast<double>(scores[i]);
  }
  return min_max_scaled(sums);
}

}  // namespace conopa::eval

#include "core/quant_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "conopa/core/dtype.h"

namespace conopa::detail {
namespace {

float stored(const ScaleProblem& problem, float scale) noexcept {
  return problem.fp16 ? half_to_float(float_to_half(scale)) : scale;
}

// Rounds to nearest even, for magnitudes below 2^22: no call into the library, so that loops
// vectorise.
float rounded(float value) noexcept {
  constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23
  return (value + kMagic) - kMagic;
}

float code_at(const ScaleProblem& problem, float factor, std::size_t i) noexcept {
  return rounded(std::clamp(problem.values[i] * factor, static_cast<float>(problem.range.lowest),
                            static_cast<float>(problem.range.highest)));
}

float weight_at(const ScaleProblem& problem, std::size_t i) noexcept {
  return problem.importance.empty() ? 1.0F : problem.importance[i];
}

struct Fit {
  float scale = 0.0F;
  double error = 0.0;
};

// Error of a scale with its nearest codes, and the least-squares scale for those codes.
struct Trial {
  double error = 0.0;
  float refit = 0.0F;
};

// Sums over the elements, in lanes that the compiler can keep in one register.
struct Sums {
  static constexpr std::size_t kLanes = 8;
  std::array<float, kLanes> error{}, cross{}, squares{};

  void add(const ScaleProblem& problem, float scale, float factor, std::size_t i,
           std::size_t lane) noexcept {
    const float w = weight_at(problem, i);
    const float q = code_at(problem, factor, i);
    const float off = problem.values[i] - scale * q;
    error[lane] += w * off * off;
    cross[lane] += w * problem.values[i] * q;
    squares[lane] += w * q * q;
  }
};

float total(const std::array<float, Sums::kLanes>& lanes) noexcept {
  return std::accumulate(lanes.begin(), lanes.end(), 0.0F);
}

Trial try_scale(const ScaleProblem& problem, float scale) noexcept {
  const float factor = 1.0F / scale;
  Sums sums;
  std::size_t i = 0;
  for (; i + Sums::kLanes <= problem.values.size(); i += Sums::kLanes) {
    for (std::size_t lane = 0; lane < Sums::kLanes; ++lane) {
      sums.add(problem, scale, factor, i + lane, lane);
    }
  }
  for (; i < problem.values.size(); ++i) sums.add(problem, scale, factor, i, 0);
  const float squares = total(sums.squares);
  return {.error = static_cast<double>(total(sums.error)),
          .refit = squares > 0.0F ? total(sums.cross) / squares : scale};
}

double given_error(const ScaleProblem& problem, float scale, std::span<const std::int8_t> codes) {
  float error = 0.0F;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float off = problem.values[i] - scale * static_cast<float>(codes[i]);
    error += weight_at(problem, i) * off * off;
  }
  return static_cast<double>(error);
}

bool usable(float scale) noexcept { return std::isnormal(scale) && std::isfinite(1.0F / scale); }

}  // namespace

float search_scale(const ScaleProblem& problem, float scale, std::span<std::int8_t> codes) {
  constexpr int kLowest = 24;  // multiples of 1/40
  constexpr int kHighest = 48;
  const float start = stored(problem, scale);
  Fit best{.scale = start, .error = given_error(problem, start, codes)};
  const double given = best.error;
  float refit = start;
  const auto consider = [&](float candidate) {
    const float tried = stored(problem, candidate);
    if (!usable(tried)) return;
    const Trial trial = try_scale(problem, tried);
    if (!(trial.error < best.error)) return;
    best = {.scale = tried, .error = trial.error};
    refit = trial.refit;
  };
  const bool asymmetric = problem.range.lowest + problem.range.highest != 0;
  for (int step = kLowest; step <= kHighest; ++step) {
    const float candidate = scale * static_cast<float>(step) / 40.0F;
    consider(candidate);
    if (asymmetric) consider(-candidate);
  }
  consider(refit);
  if (best.error < given) {
    const float factor = 1.0F / best.scale;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      codes[i] = static_cast<std::int8_t>(code_at(problem, factor, i));
    }
  }
  return best.scale;
}

}  // namespace conopa::detail

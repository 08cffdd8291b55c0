#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"

namespace conopa::train {

/// How a run begins before the cosine.
struct Warmup {
  double epochs = 0.0;  ///< fractions are rounded to whole steps
  double start = 0.0;   ///< value of the first step
};

/// Linear warm-up, then half a cosine: linspace(start, base, W) with both ends, then
/// final + ½(base − final)(1 + cos(πi/M)) for i = 0..M−1, M = epochs·steps_per_epoch − W.
///
/// @return one value per optimiser step. The last is above `final`, which would be step M.
/// @throws ConfigError if a count is negative or the warm-up is longer than the run.
/// @source ConvNeXt's and iLLaMA's training code (arXiv 2404.06773): learning rate and decay.
[[nodiscard]] std::vector<double> cosine_schedule(double base, double final, std::int64_t epochs,
                                                  std::int64_t steps_per_epoch,
                                                  const Warmup& warmup = {});

/// kStandard: the rate for the whole run (1 = bidirectional for ever). kSoft: until a cut-off,
/// causal after it.
enum class MaskMode { kStandard, kSoft };
/// kStandard: the rate for the whole run. kEarly: until the cut-off only. kLate: after it only.
enum class DropMode { kStandard, kEarly, kLate };
/// How the value behaves before a cut-off: kLinear falls to 0, which its last step has reached.
enum class CutoffShape { kConstant, kLinear };

struct MaskSchedule {
  MaskMode mode = MaskMode::kSoft;
  CutoffShape shape = CutoffShape::kConstant;
  double rate = 1.0;           ///< α before the cut-off; 1 = bidirectional
  double cutoff_epochs = 0.0;  ///< fractions are rounded to whole steps
};

struct DropSchedule {
  DropMode mode = DropMode::kStandard;
  CutoffShape shape = CutoffShape::kConstant;  ///< kEarly only
  double rate = 0.0;                           ///< peak stochastic-depth rate
  double cutoff_epochs = 0.0;
};

/// α of the soft mask, one value per optimiser step.
/// @throws ConfigError if the cut-off lies outside the run.
/// @source iLLaMA (arXiv 2404.06773), section 3.6 and its training code.
[[nodiscard]] std::vector<double> mask_schedule(const MaskSchedule& schedule, std::int64_t epochs,
                                                std::int64_t steps_per_epoch);

/// Peak stochastic-depth rate, one value per optimiser step.
/// @throws ConfigError if the cut-off lies outside the run, or a late schedule is linear.
/// @source Dropout Reduces Underfitting (arXiv 2303.01500): early and late stochastic depth.
[[nodiscard]] std::vector<double> drop_schedule(const DropSchedule& schedule, std::int64_t epochs,
                                                std::int64_t steps_per_epoch);

}  // namespace conopa::train

template <>
struct conopa::EnumNames<conopa::train::MaskMode> {
  static constexpr std::array<std::string_view, 2> kNames = {"standard", "soft"};
};
template <>
struct conopa::EnumNames<conopa::train::DropMode> {
  static constexpr std::array<std::string_view, 3> kNames = {"standard", "early", "late"};
};
template <>
struct conopa::EnumNames<conopa::train::CutoffShape> {
  static constexpr std::array<std::string_view, 2> kNames = {"constant", "linear"};
};

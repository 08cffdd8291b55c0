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
/// mmengine's pair LinearLR (start factor f, `convert_to_iter_based`) and CosineAnnealingLR is the
/// same schedule with start = f·base: its warm-up too reaches `base` at its last step, W − 1.
///
/// @return one value per optimiser step. The last is above `final`, which would be step M.
/// @throws ConfigError if a count is negative or the warm-up is longer than the run.
/// @source ConvNeXt's and iLLaMA's training code (arXiv 2404.06773): learning rate and decay.
[[nodiscard]] std::vector<double> cosine_schedule(double base, double final, std::int64_t epochs,
                                                  std::int64_t steps_per_epoch,
                                                  const Warmup& warmup = {});

/// When the learning rate changes. kStep: every step, see cosine_schedule. kEpoch: at every epoch
/// by its number. kEpochLagged: the same one epoch late, as training code does that sets the rate
/// after epoch e to the value of number e: epochs 0 and 1 both run at the value of number 0.
/// kFraction: every step, by the part w = step/total of the run that is done, start + (peak −
/// start)·w/f before the warm-up's part f, then the half cosine of (w − f)/(1 − f) (AIM).
enum class LrMode { kStep, kEpoch, kEpochLagged, kFraction };

struct LrSchedule {
  LrMode mode = LrMode::kStep;
  double peak = 1e-3;
  double final = 0.0;
  Warmup warmup;
};

/// Learning rate, one value per optimiser step; constant without warm-up if peak equals final.
///
/// Per epoch the value of number t is start + (peak − start)·t/w for t < w, w the epochs of
/// warm-up, and final + ½(peak − final)(1 + cos(πt/epochs)) from t = w on: the cosine counts from
/// the run's start, not from the end of the warm-up, so the peak itself is never quite reached.
/// @throws ConfigError if a count is negative or the warm-up is longer than the run.
/// @source per epoch: timm's CosineLRScheduler without warm-up prefix, as DeiT III (arXiv
///   2204.07118) and VisionLLaMA (arXiv 2403.00522) train, both one epoch late.
[[nodiscard]] std::vector<double> lr_schedule(const LrSchedule& schedule, std::int64_t epochs,
                                              std::int64_t steps_per_epoch);

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
struct conopa::EnumNames<conopa::train::LrMode> {
  static constexpr std::array<std::string_view, 4> kNames = {"step", "epoch", "epoch_lagged",
                                                             "fraction"};
};
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

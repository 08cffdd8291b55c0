#include "conopa/kernels/peak.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"

namespace conopa::kernels {
namespace {

constexpr double kSeconds = 0.01;

TEST(PeakTest, EveryLevelOfTheMachineHasALoopForEveryType) {
  for (const Isa isa : available_isas()) {
    for (const ActType type : {ActType::kF32, ActType::kBf16, ActType::kI8}) {
      const Peak peak = measure_peak(isa, type, kSeconds);
      if (isa == Isa::kReference) {
        EXPECT_EQ(peak.loop, "");
        EXPECT_EQ(peak.gops, 0.0);
        continue;
      }
      EXPECT_FALSE(peak.loop.empty()) << isa_name(isa);
      EXPECT_GT(peak.gops, 1.0) << peak.loop;  // a loop that was folded away or never ran
      EXPECT_LT(peak.gops, 1e6) << peak.loop;  // would leave these bounds
    }
  }
}

TEST(PeakTest, NarrowOperandsGiveMoreOperations) {
  if (detected_isa() < Isa::kAvx512Bf16) {
    EXPECT_EQ(measure_peak(detected_isa(), ActType::kBf16, kSeconds).loop,
              measure_peak(detected_isa(), ActType::kF32, kSeconds).loop);
    return;
  }
  // The instructions do two and four times the products of fp32; the rest is for other load.
  const double fp32 = measure_peak(detected_isa(), ActType::kF32, kSeconds).gops;
  const double bf16 = measure_peak(detected_isa(), ActType::kBf16, kSeconds).gops;
  EXPECT_GT(bf16, 1.5 * fp32);
  EXPECT_GT(measure_peak(detected_isa(), ActType::kI8, kSeconds).gops, 1.5 * bf16);
}

TEST(PeakTest, RefusesLevelsTheMachineDoesNotHave) {
  if (detected_isa() == Isa::kAmx) return;  // it has every level
  const Isa above = static_cast<Isa>(static_cast<int>(detected_isa()) + 1);

  EXPECT_THROW((void)measure_peak(above, ActType::kF32), UnsupportedError);
}

}  // namespace
}  // namespace conopa::kernels

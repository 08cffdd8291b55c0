#include "conopa/kernels/isa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "conopa/core/error.h"

namespace conopa::kernels {
namespace {

TEST(IsaTest, NamesRoundTrip) {
  for (const Isa isa : {Isa::kReference, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx}) {
    EXPECT_EQ(isa_from_name(isa_name(isa)), isa);
  }
  EXPECT_FALSE(isa_from_name("AVX2").has_value());
  EXPECT_FALSE(isa_from_name("").has_value());
}

TEST(IsaTest, AvailableLevelsEndWithTheDetectedOne) {
  const auto isas = available_isas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.front(), Isa::kReference);
  EXPECT_EQ(isas.back(), detected_isa());
}

TEST(IsaTest, RequestCapsTheLevel) {
  EXPECT_EQ(resolve_isa("", Isa::kAvx512), Isa::kAvx512);
  EXPECT_EQ(resolve_isa("avx2", Isa::kAvx512), Isa::kAvx2);
  EXPECT_EQ(resolve_isa("reference", Isa::kReference), Isa::kReference);
}

std::string message_of(std::string_view request, Isa detected) {
  try {
    (void)resolve_isa(request, detected);
  } catch (const UnsupportedError& error) {
    return error.what();
  }
  return "";
}

TEST(IsaTest, UnavailableLevelNamesTheBestOfTheMachine) {
  EXPECT_THAT(message_of("amx", Isa::kAvx2), testing::HasSubstr("at most avx2"));
}

TEST(IsaTest, UnknownLevelListsTheKnownOnes) {
  EXPECT_THAT(message_of("sse9", Isa::kAvx512), testing::HasSubstr("avx512_bf16 or amx"));
  EXPECT_THAT(message_of("sse9", Isa::kAvx512), testing::HasSubstr("'sse9'"));
}

}  // namespace
}  // namespace conopa::kernels

// Language blocks in the native engine against the libtorch executor.

#include <gtest/gtest.h>

#include "tests/engine/agreement.h"
#include "tests/nn/language_variants.h"

namespace conopa::engine {
namespace {

class LanguageAgreementTest : public ::testing::TestWithParam<nn::Variant> {};
INSTANTIATE_TEST_SUITE_P(Specs, LanguageAgreementTest, ::testing::ValuesIn(nn::language_variants()),
                         [](const auto& test) { return test.param.name; });

TEST_P(LanguageAgreementTest, AllPrecisions) {
  const arch::EncoderSpec spec = nn::small_spec(GetParam().edit);
  for (const kernels::Isa isa : kernels::available_isas()) {
    SCOPED_TRACE(kernels::isa_name(isa));
    expect_agreement(spec, {.precision = Precision::kFp32, .isa = isa}, 3e-5);
    expect_agreement(spec, {.precision = Precision::kBf16, .isa = isa}, 5e-2);
    expect_agreement(spec, {.precision = Precision::kInt8, .isa = isa}, 1e-1);
  }
}

// The short form needs rows of one token an image, the plain one those of all.
TEST(LanguageSessionTest, ShortFormTakesLessMemory) {
  const auto arena = [](std::int64_t depth) {
    const arch::EncoderSpec spec = nn::small_spec([depth](arch::EncoderSpec& s) {
      nn::make_language_host(s);
      s.llm.dim = 512;
      s.llm.hidden = 1024;
      s.llm.depth = depth;
    });
    const nn::Encoder encoder = random_encoder(spec);
    const Model model = Model::load(spec, weights_of(encoder), {});
    return Session(model, {.max_batch = 4}).arena_bytes();
  };
  EXPECT_LT(2 * arena(1), arena(2));
}

}  // namespace
}  // namespace conopa::engine

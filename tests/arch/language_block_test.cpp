// Language blocks in specs: sizes, costs, names, checks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "conopa/arch/block_spec.h"
#include "conopa/arch/cost.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

std::int64_t elements(const EncoderSpec& spec, bool frozen) {
  std::int64_t count = 0;
  const TensorTable table(spec);
  for (const TensorEntry& entry : table.entries()) {
    if (entry.frozen == frozen) count += element_count(entry.shape);
  }
  return count;
}

TEST(LanguageBlockTest, CountsEqualThePublishedOnes) {
  constexpr std::int64_t kBlock = 202'383'360;
  constexpr std::int64_t kNorm = 4096;
  for (const auto& [preset, trained] :
       {std::pair{"vit_llama_tiny_patch16_224", std::int64_t{7'290'280}},
        std::pair{"vit_llama_small_patch16_224", std::int64_t{25'196'392}},
        std::pair{"vit_llama_base_patch16_224", std::int64_t{92'859'112}}}) {
    const EncoderSpec spec = resolved(preset);
    EXPECT_EQ(TensorTable(spec).parameter_count(), trained) << preset;
    EXPECT_EQ(elements(spec, true), kBlock + kNorm) << preset;
  }
}

TEST(LanguageBlockTest, TheShortFormCostsOneTwoHundredth) {
  const EncoderSpec spec = resolved("vit_llama_small_patch16_224");
  EXPECT_TRUE(folds_language_block(spec));
  EXPECT_NEAR(static_cast<double>(count_cost(spec).llm) / 1e9, 40.8, 0.05);
  EncoderSpec host = spec;
  host.llm = {};
  const std::int64_t added = inference_macs(spec) - count_cost(host).macs();
  EXPECT_NEAR(static_cast<double>(added) / 1e9, 0.209, 0.002);
}

TEST(LanguageBlockTest, FoldsOnlyOnePreNormBlockBehindAll) {
  const auto folds = [](const std::function<void(EncoderSpec&)>& edit) {
    EncoderSpec spec = preset_spec("vit_llama_tiny_patch16_224");
    edit(spec);
    spec.resolve();
    return folds_language_block(spec);
  };
  EXPECT_TRUE(folds([](EncoderSpec&) {}));
  EXPECT_FALSE(folds([](EncoderSpec& s) { s.llm.depth = 2; }));
  EXPECT_FALSE(folds([](EncoderSpec& s) { s.llm.after = 3; }));
  EXPECT_FALSE(folds([](EncoderSpec& s) { s.llm.post_norm = true; }));
  EXPECT_FALSE(folds([](EncoderSpec& s) { s.read_out = ReadOut::kMean; }));
  EXPECT_FALSE(folds([](EncoderSpec& s) { s.llm.unit = LanguageUnit::kMlp; }));
}

TEST(LanguageBlockTest, OfficialNames) {
  const TensorTable table(resolved("vit_llama_tiny_patch16_224"));
  const auto foreign = [&table](std::string_view name) {
    const ForeignTensor found = table.foreign(name, "official");
    return found.parts.empty() ? std::vector{found.name} : found.parts;
  };
  using testing::ElementsAre;
  EXPECT_THAT(
      foreign("llm.layers.0.attn.qkv.weight"),
      ElementsAre("llama.layers.0.attention.wq.weight", "llama.layers.0.attention.wk.weight",
                  "llama.layers.0.attention.wv.weight"));
  EXPECT_THAT(foreign("llm.layers.0.mlp.gate.weight"),
              ElementsAre("llama.layers.0.feed_forward.w1.weight"));
  EXPECT_THAT(foreign("llm.norm.weight"), ElementsAre("llama.norm.weight"));
  EXPECT_THAT(foreign("llm.mapper1.weight"), ElementsAre("llama_dim_mapper1.weight"));
  EXPECT_THAT(foreign("blocks.3.mlp.up.weight"), ElementsAre("blocks.3.mlp.fc1.weight"));
  EXPECT_THAT(foreign("blocks.3.attn.qkv.weight"), ElementsAre("blocks.3.attn.qkv.weight"));
}

TEST(LanguageBlockTest, RecognisesReleasedCheckpoints) {
  for (const bool pooled : {false, true}) {
    EncoderSpec spec = preset_spec("vit_llama_tiny_patch16_224");
    spec.num_classes = 17;
    spec.llm.dim = 256;
    spec.llm.hidden = 300;
    spec.llm.heads = 2;
    spec.llm.depth = 2;
    if (pooled) {
      spec.read_out = ReadOut::kPatchMeanNorm;
      spec.position_class_row = false;
      spec.layer_scale = 1e-5;
    }
    spec.resolve();
    const TensorTable table(spec);
    TensorIndex index;
    for (const TensorEntry& entry : table.entries()) {
      const ForeignTensor f = table.foreign(entry.name, pooled ? "official_pool" : "official");
      if (f.parts.empty()) index[f.name] = f.shape;
      for (const std::string& part : f.parts) index[part] = f.shape;
    }
    const InferredModel found = infer_model(index, "test");
    EXPECT_EQ(found.spec.family, "lm4v");
    EXPECT_EQ(found.scheme, pooled ? "official_pool" : "official");
    EXPECT_EQ(spec_to_json(found.spec), spec_to_json(spec));
    EXPECT_TRUE(compare_keys(TensorTable(found.spec), found.scheme, index).clean());
  }
}

struct Refusal {
  std::string_view name;
  void (*edit)(EncoderSpec& spec);
  std::string_view message;
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

class LanguageRefusalTest : public testing::TestWithParam<Refusal> {};
INSTANTIATE_TEST_SUITE_P(
    Fields, LanguageRefusalTest,
    testing::Values(
        Refusal{"heads", [](EncoderSpec& s) { s.llm.heads = 3; }, "llm_heads"},
        Refusal{"after", [](EncoderSpec& s) { s.llm.after = 13; }, "llm_after"},
        Refusal{"dim", [](EncoderSpec& s) { s.llm.dim = 0; }, "llm_dim"},
        Refusal{"depth", [](EncoderSpec& s) { s.llm.depth = 0; }, "llm_depth"},
        Refusal{"eps", [](EncoderSpec& s) { s.llm.norm_eps = 0; }, "llm_norm_eps"},
        Refusal{"multiple", [](EncoderSpec& s) { s.llm.multiple_of = 0; }, "llm_multiple_of"},
        Refusal{"late", [](EncoderSpec& s) { s.class_token = ClassToken::kLate; }, "llm_unit"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(LanguageRefusalTest, NamesTheField) {
  EncoderSpec spec = preset_spec("vit_llama_tiny_patch16_224");
  GetParam().edit(spec);
  try {
    spec.resolve();
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(std::string(GetParam().message)));
  }
}

}  // namespace
}  // namespace conopa::arch

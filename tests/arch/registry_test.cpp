#include "conopa/arch/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/cost.h"

namespace conopa::arch {
namespace {

using testing::HasSubstr;

EncoderSpec resolved(std::string_view preset) {
  EncoderSpec spec = preset_spec(preset);
  spec.resolve();
  return spec;
}

TensorIndex foreign_tensors(const EncoderSpec& spec, std::string_view scheme) {
  const TensorTable table(spec);
  TensorIndex index;
  for (const TensorEntry& entry : table.entries()) {
    index.emplace(table.foreign_name(entry.name, scheme), entry.shape);
  }
  return index;
}

struct Counted {
  std::string_view preset;
  std::int64_t classes, parameters;
};

class PresetCountTest : public testing::TestWithParam<Counted> {};

TEST_P(PresetCountTest, ParametersEqualThePublishedModels) {
  EncoderSpec spec = preset_spec(GetParam().preset);
  spec.num_classes = GetParam().classes;
  spec.resolve();
  EXPECT_EQ(count_cost(spec).parameters, GetParam().parameters);
}

INSTANTIATE_TEST_SUITE_P(Families, PresetCountTest,
                         testing::Values(Counted{"illama_tiny_patch16_224", 1000, 5'701'096},
                                         Counted{"illama_small_patch16_224", 1000, 22'018'024},
                                         Counted{"illama_base_patch16_224", 1000, 86'502'376},
                                         Counted{"illama_large_patch16_224", 1000, 310'445'032},
                                         Counted{"illama_base_patch16_384", 1000, 86'794'216},
                                         Counted{"illama_large_patch16_384", 1000, 310'834'152},
                                         Counted{"illama_base_patch16_224", 10'450, 93'769'426},
                                         Counted{"illama_large_patch16_224", 10'450, 320'131'282},
                                         Counted{"vit_tiny_patch16_224", 1000, 5'717'416},
                                         Counted{"vit_small_patch16_224", 1000, 22'050'664},
                                         Counted{"vit_base_patch16_224", 1000, 86'567'656}));

TEST(CostTest, MacsAgreeWithThePublishedCounts) {
  EXPECT_NEAR(static_cast<double>(count_cost(resolved("illama_tiny_patch16_224")).macs()), 1.254e9,
              0.002e9);
  EXPECT_NEAR(static_cast<double>(count_cost(resolved("illama_base_patch16_224")).macs()), 17.564e9,
              0.02e9);
  EXPECT_NEAR(static_cast<double>(count_cost(resolved("illama_large_patch16_384")).macs()),
              194.696e9, 0.2e9);
}

TEST(RegistryTest, EveryPresetResolves) {
  for (const Preset& preset : find_presets("*")) EXPECT_NO_THROW(resolved(preset.name));
}

TEST(RegistryTest, PatternsSelectPresets) {
  EXPECT_EQ(find_presets("illama_*_224").size(), 4U);
  EXPECT_EQ(find_presets("vit_t?ny*").size(), 1U);
  EXPECT_TRUE(find_presets("nothing*").empty());
}

TEST(RegistryTest, UnknownNamesSuggestTheNearest) {
  try {
    static_cast<void>(preset_spec("ilama_tiny_patch16_224"));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("illama_tiny_patch16_224"));
  }
}

TEST(RegistryTest, OfficialNamesFollowThePublishedCheckpoints) {
  const Family& f = family("illama");
  EXPECT_EQ(to_foreign(f, "official", "blocks.3.mlp.gate.weight"), "blocks.3.mlp.fc1.weight");
  EXPECT_EQ(to_foreign(f, "official", "blocks.3.mlp.down.weight"), "blocks.3.mlp.fc2.weight");
  EXPECT_EQ(to_foreign(f, "official", "blocks.3.mlp.up.weight"), "blocks.3.mlp.fc3.weight");
  EXPECT_EQ(to_foreign(f, "official", "blocks.3.attn.qkv.bias"), "blocks.3.attn.qkv.bias");
  EXPECT_THROW(static_cast<void>(to_foreign(f, "timm", "norm.weight")), ConfigError);
}

TEST(RegistryTest, RecognisesItsOwnForeignCheckpoints) {
  for (const auto& [preset, scheme] : {std::pair{"illama_small_patch16_224", "official"},
                                       {"vit_tiny_patch16_224", "timm"},
                                       {"illama_base_patch16_384", "canonical"}}) {
    const EncoderSpec spec = resolved(preset);
    const InferredModel model = infer_model(foreign_tensors(spec, scheme), "test");
    EXPECT_EQ(model.scheme, scheme);
    EXPECT_EQ(spec_to_json(model.spec), spec_to_json(spec));
  }
}

TEST(RegistryTest, RefusesTensorsOfNoFamily) {
  EXPECT_THROW(static_cast<void>(infer_model({{"conv1.weight", {64, 3, 7, 7}}}, "x.pth")),
               FormatError);
}

TEST(TensorTableTest, DecaysMatricesOnly) {
  const TensorTable table(resolved("illama_tiny_patch16_224"));
  EXPECT_TRUE(table.find("blocks.0.attn.qkv.weight")->decay);
  EXPECT_TRUE(table.find("patch_embed.proj.weight")->decay);
  for (const char* name : {"cls_token", "pos_embed", "norm.weight", "head.bias"}) {
    EXPECT_FALSE(table.find(name)->decay) << name;
  }
}

TEST(TensorTableTest, ReportsMissingUnexpectedAndReshapedKeys) {
  const EncoderSpec spec = resolved("illama_tiny_patch16_224");
  const TensorTable table(spec);
  TensorIndex tensors = foreign_tensors(spec, "official");
  tensors.erase("norm.weight");
  tensors["head.weight"] = {10, 192};
  tensors["extra"] = {1};
  const KeyReport report = compare_keys(table, "official", tensors);
  EXPECT_THAT(report.missing, testing::ElementsAre("norm.weight"));
  EXPECT_THAT(report.unexpected, testing::ElementsAre("extra"));
  ASSERT_EQ(report.reshaped.size(), 1U);
  EXPECT_EQ(report.reshaped[0].name, "head.weight");
  EXPECT_THAT(report.summary(), HasSubstr("1 missing (norm.weight)"));
}

}  // namespace
}  // namespace conopa::arch

#include "conopa/arch/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

using testing::HasSubstr;

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

// Tensor names of other software: every scheme names every tensor, and a checkpoint in it tells the
// spec.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

using testing::HasSubstr;

// What import assumes of every VisionLLaMA checkpoint.
void set_released_plain(EncoderSpec& spec) {
  spec.rope_scaling = RopeScaling::kNone;
  spec.rope_anchor = 0;
  spec.rope_grid = RopeGrid::kOfficial;
}

EncoderSpec released_pyramid(std::string_view preset) {
  EncoderSpec spec = preset_spec(preset);
  set_released_plain(spec);
  spec.rope_keys = RopeKeys::kOfficial;
  spec.rope_ntk_acts_on = RopeNtk::kQueries;
  spec.window_padding = WindowPadding::kAttended;
  spec.read_out = ReadOut::kNormMeanNorm;
  return spec;
}

EncoderSpec released_plain(std::string_view preset) {
  EncoderSpec spec = preset_spec(preset);
  set_released_plain(spec);
  return spec;
}

EncoderSpec without_class_token(EncoderSpec spec) {
  spec.class_token = ClassToken::kNone;
  spec.read_out = ReadOut::kMeanNorm;
  return spec;
}

EncoderSpec with_gelu(EncoderSpec spec) {
  spec.mlp = Mlp::kGelu;
  spec.mlp_bias = true;
  return spec;
}

// The model of MAE fine-tuning and, with batch norm, of linear probing.
EncoderSpec finetuned(HeadNorm head_norm) {
  EncoderSpec spec = without_class_token(released_plain("visionllama_base_patch16_224"));
  spec.layer_scale = 0.0;
  spec.mlp_bias = true;
  spec.mlp_hidden = 8192;
  spec.drop_path_branches = DropBranches::kAttention;
  spec.head_norm = head_norm;
  return spec;
}

EncoderSpec masked_autoencoder(std::string_view preset) {
  EncoderSpec spec = released_plain(preset);
  // Shapes tell the hidden width, not the ratio it came from.
  EncoderSpec wide = spec;
  wide.resolve();
  spec.mlp_hidden = wide.mlp_hidden;
  spec.mlp_ratio = 4.0;
  return spec;
}

EncoderSpec with_positions(EncoderSpec spec) {
  spec.position = Position::kLearned;
  spec.position_spare_row = !spec.has_class_token();
  return spec;
}

EncoderSpec without_layer_scale(EncoderSpec spec) {
  spec.layer_scale = 0.0;
  return spec;
}

struct Named {
  std::string scheme;
  EncoderSpec spec;
};

std::vector<Named> named_models() {
  const EncoderSpec plain = released_plain("visionllama_small_patch16_224");
  const EncoderSpec pyramid = released_pyramid("visionllama_pyramid_small_224");
  std::vector<Named> all{
      {"official", preset_spec("illama_small_patch16_224")},
      {"canonical", preset_spec("illama_base_patch16_384")},
      {"timm", preset_spec("vit_tiny_patch16_224")},
      {"canonical", plain},
      {"official", plain},
      {"official", without_layer_scale(plain)},
      {"official", without_class_token(plain)},
      {"official", with_positions(plain)},
      {"official", with_positions(without_class_token(plain))},
      {"official_gelu", with_gelu(plain)},
      {"official_gelu", without_layer_scale(with_gelu(plain))},
      {"mmpretrain_mae", masked_autoencoder("visionllama_base_patch16_mae_paper")},
      {"mmpretrain_mae", masked_autoencoder("visionllama_large_patch16_mae_released")},
      {"canonical", masked_autoencoder("visionllama_base_patch16_mae_released")},
      {"mmpretrain_finetune", finetuned(HeadNorm::kNone)},
      {"mmpretrain_probe", finetuned(HeadNorm::kBatch)},
      {"canonical", pyramid},
      {"official", pyramid},
      {"official", without_layer_scale(pyramid)},
      {"official", released_pyramid("visionllama_pyramid_large_224")},
      {"official_gelu", with_gelu(pyramid)}};
  for (Named& named : all) named.spec.resolve();
  return all;
}

TEST(NamingTest, EverySchemeNamesEveryTensor) {
  for (const Named& named : named_models()) {
    const KeyReport report = compare_keys(TensorTable(named.spec), named.scheme,
                                          foreign_tensors(named.spec, named.scheme));
    EXPECT_TRUE(report.clean()) << named.spec.family << ' ' << named.scheme << ": "
                                << report.summary();
  }
}

TEST(NamingTest, ACheckpointTellsItsSpec) {
  for (const Named& named : named_models()) {
    const InferredModel model = infer_model(foreign_tensors(named.spec, named.scheme), "test");
    EXPECT_EQ(model.scheme, named.scheme) << named.spec.family;
    EXPECT_EQ(spec_to_json(model.spec), spec_to_json(named.spec)) << named.scheme;
  }
}

TEST(NamingTest, ExportTakesTheFirstSchemeThatHoldsTheModel) {
  for (const Named& named : named_models()) {
    const Family& owner = family(named.spec.family);
    if (named.scheme == "canonical") continue;
    EXPECT_EQ(export_scheme(owner, named.spec, ""), named.scheme);
    EXPECT_EQ(export_scheme(owner, named.spec, named.scheme), named.scheme);
  }
}

std::string export_refusal(const Family& owner, const EncoderSpec& spec, std::string_view scheme) {
  try {
    return export_scheme(owner, spec, scheme);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(NamingTest, ExportRefusesSchemesThatCannotHoldTheModel) {
  const EncoderSpec plain = resolved("visionllama_small_patch16_224");
  const Family& owner = family("visionllama");
  EXPECT_THAT(export_refusal(owner, plain, "mmpretrain_mae"),
              HasSubstr("mmpretrain_mae names hold no model of this spec"));
  EXPECT_THAT(export_refusal(owner, plain, "mmpretrain_mae"), HasSubstr("do: official"));
  EXPECT_THAT(export_refusal(owner, plain, "oficial"), HasSubstr("did you mean 'official'"));
  const Family alone{.name = "alone", .summary = "", .presets = {}, .schemes = {}};
  EXPECT_THAT(export_refusal(alone, plain, ""), HasSubstr("found family alone"));
}

TEST(NamingTest, FusedTensorsAreSlicedByRows) {
  EncoderSpec spec = finetuned(HeadNorm::kNone);
  spec.resolve();
  const TensorTable table(spec);
  const ForeignTensor gate = table.foreign("blocks.3.mlp.gate.weight", "mmpretrain_finetune");
  const ForeignTensor up = table.foreign("blocks.3.mlp.up.weight", "mmpretrain_finetune");
  EXPECT_EQ(gate.name, "backbone.layers.3.ffn.w12.weight");
  EXPECT_EQ(up.name, gate.name);
  EXPECT_EQ(gate.shape, (Shape{16384, 768}));
  EXPECT_EQ(gate.offset, 0);
  EXPECT_EQ(up.offset, 8192);
}

TEST(NamingTest, ReleasedNamesFollowThePublishedCheckpoints) {
  const Family& plain = family("visionllama");
  const auto mae = [&plain](std::string_view name) {
    return to_foreign(plain, "mmpretrain_mae", name);
  };
  EXPECT_EQ(mae("patch_embed.proj.bias"), "backbone.patch_embed.projection.bias");
  EXPECT_EQ(mae("norm.weight"), "backbone.ln1.weight");
  EXPECT_EQ(mae("blocks.11.norm2.bias"), "backbone.layers.11.ln2.bias");
  EXPECT_EQ(mae("blocks.1.mlp.down.bias"), "backbone.layers.1.ffn.w3.bias");
  EXPECT_EQ(mae("decoder.blocks.7.mlp.up.weight"), "neck.decoder_blocks.7.ffn.layers.0.0.weight");
  EXPECT_EQ(mae("decoder.blocks.7.norm1.bias"), "neck.decoder_blocks.7.ln1.bias");
  EXPECT_EQ(mae("decoder.norm.weight"), "neck.ln1.weight");
  EXPECT_EQ(mae("decoder.pred.weight"), "neck.decoder_pred.weight");
  EXPECT_EQ(to_foreign(plain, "mmpretrain_finetune", "norm.bias"), "backbone.ln2.bias");
  EXPECT_EQ(to_foreign(plain, "mmpretrain_probe", "head_norm.running_var"), "neck.bn.running_var");
  const Family& pyramid = family("visionllama_pyramid");
  EXPECT_EQ(to_foreign(pyramid, "official", "blocks.2.9.ls2"), "blocks.2.9.gamma_2");
  EXPECT_EQ(to_foreign(pyramid, "official", "blocks.0.1.attn.sr.weight"),
            "blocks.0.1.attn.sr.weight");
}

TEST(NamingTest, NamesThatNobodyReadsAreNotReported) {
  EncoderSpec spec = finetuned(HeadNorm::kNone);
  spec.resolve();
  TensorIndex tensors = foreign_tensors(spec, "mmpretrain_finetune");
  tensors["backbone.pos_embed"] = {1, 197, 768};
  tensors["data_preprocessor.mean"] = {3, 1, 1};
  EXPECT_TRUE(compare_keys(TensorTable(spec), "mmpretrain_finetune", tensors).clean());
  EXPECT_EQ(infer_model(tensors, "test").spec.position, Position::kNone);
  tensors["backbone.pos_embedding"] = {1};
  tensors["head.extra"] = {1};
  EXPECT_THAT(compare_keys(TensorTable(spec), "mmpretrain_finetune", tensors).unexpected,
              testing::ElementsAre("head.extra"));
}

TEST(NamingTest, StoredPositionsTellTheImageSize) {
  EncoderSpec spec = finetuned(HeadNorm::kNone);
  spec.resolve();
  TensorIndex tensors = foreign_tensors(spec, "mmpretrain_finetune");
  tensors["backbone.pos_embed"] = {1, 401, 768};
  EXPECT_EQ(infer_model(tensors, "test").spec.height, 320);
  EncoderSpec learned = with_positions(released_plain("visionllama_small_patch16_224"));
  learned.height = learned.width = 160;
  learned.resolve();
  TensorIndex official = foreign_tensors(learned, "official");
  EXPECT_EQ(infer_model(official, "test").spec.width, 160);
  official["pos_embed"] = {1, 13, 384};
  EXPECT_THROW(static_cast<void>(infer_model(official, "test")), FormatError);
}

TEST(NamingTest, FamiliesSayWhatShapesCannotTell) {
  const Family& plain = family("visionllama");
  EncoderSpec one = with_positions(released_plain("visionllama_small_patch16_224"));
  EXPECT_THAT(plain.doubts(one), testing::Contains(HasSubstr("--set rotary=line")));
  one.class_token = ClassToken::kNone;
  EXPECT_THAT(plain.doubts(one), testing::Not(testing::Contains(HasSubstr("rotary=line"))));
  EXPECT_THAT(plain.doubts(one), testing::Contains(HasSubstr("rope_anchor=224")));
  EXPECT_THAT(family("visionllama_pyramid").doubts(one),
              testing::Contains(HasSubstr("stage_windows")));
}

}  // namespace
}  // namespace conopa::arch

// AIM's tensors in every scheme of other software, both ways.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

using testing::ElementsAre;

struct Named {
  std::string scheme;
  EncoderSpec spec;
};

EncoderSpec reads_last_blocks(EncoderSpec spec) {
  spec.read_blocks.resize(6);
  std::iota(spec.read_blocks.begin(), spec.read_blocks.end(), spec.depth - 6);
  return spec;
}

// A backbone file without its head.
EncoderSpec backbone(EncoderSpec spec) {
  spec.read_out = ReadOut::kMean;
  spec.head_norm = HeadNorm::kNone;
  spec.num_classes = 0;
  return reads_last_blocks(spec);
}

EncoderSpec with_lora(EncoderSpec spec) {
  spec.lora_rank = 8;
  return spec;
}

EncoderSpec with_probe(EncoderSpec spec) {
  spec.read_out = ReadOut::kAttention;
  spec.head_norm = HeadNorm::kBatch;
  spec.num_classes = 1000;
  return spec;
}

EncoderSpec paper_head(EncoderSpec spec) {
  spec.decoder_mixer = Mixer::kNone;
  spec.decoder_bias = false;
  spec.norm_eps = 1e-6;
  return spec;
}

std::vector<Named> named_models() {
  const EncoderSpec aim = reads_last_blocks(preset_spec("aim_600m_patch14_224"));
  const EncoderSpec large = preset_spec("aimv2_large_patch14_224");
  const EncoderSpec native = preset_spec("aimv2_large_patch14_native");
  const EncoderSpec lit = preset_spec("aimv2_large_patch14_224_lit");
  const EncoderSpec text = preset_spec("aimv2_lit_text");
  const EncoderSpec pretrain = preset_spec("aim_600m_patch14_224_pretrain");
  std::vector<Named> all{{"canonical", aim},
                         {"official", aim},
                         {"official", backbone(aim)},
                         {"official", with_lora(aim)},
                         {"official", reads_last_blocks(preset_spec("aim_7b_patch14_224"))},
                         {"official", paper_head(pretrain)},
                         {"l3m", pretrain},
                         {"canonical", large},
                         {"official", large},
                         {"official", native},
                         {"official", preset_spec("aimv2_huge_patch14_448")},
                         {"official", with_probe(large)},
                         {"transformers", large},
                         {"transformers", native},
                         {"timm", large},
                         {"timm", native},
                         {"official_lit", lit},
                         {"transformers_lit", lit},
                         {"l3m", preset_spec("aimv2_large_patch14_224_pretrain")},
                         {"canonical", text},
                         {"official_lit", text},
                         {"transformers_lit", text}};
  for (Named& named : all) named.spec.resolve();
  return all;
}

TEST(AimNamingTest, EverySchemeNamesEveryTensor) {
  for (const Named& named : named_models()) {
    const KeyReport report = compare_keys(TensorTable(named.spec), named.scheme,
                                          foreign_tensors(named.spec, named.scheme));
    EXPECT_TRUE(report.clean()) << named.spec.family << ' ' << named.scheme << ": "
                                << report.summary();
  }
}

TEST(AimNamingTest, ACheckpointTellsItsSpec) {
  for (const Named& named : named_models()) {
    const InferredModel model = infer_model(foreign_tensors(named.spec, named.scheme), "test");
    EXPECT_EQ(model.scheme, named.scheme) << named.spec.family;
    EXPECT_EQ(spec_to_json(model.spec), spec_to_json(named.spec))
        << named.spec.family << ' ' << named.scheme;
  }
}

TEST(AimNamingTest, EverySchemeIsExported) {
  for (const Named& named : named_models()) {
    if (named.scheme == "canonical") continue;
    EXPECT_EQ(export_scheme(family(named.spec.family), named.spec, named.scheme), named.scheme)
        << named.spec.family;
  }
}

TEST(AimNamingTest, TheTowerOfAPairIsFoundBesideTheOther) {
  for (const std::string scheme : {"official_lit", "transformers_lit"}) {
    const EncoderSpec image = resolved("aimv2_large_patch14_224_lit");
    const EncoderSpec text = resolved("aimv2_lit_text");
    TensorIndex both = foreign_tensors(image, scheme);
    both.merge(foreign_tensors(text, scheme));
    both.emplace(scheme == "official_lit" ? "log_logit_scale" : "logit_scale", Shape{});
    for (const EncoderSpec& tower : {image, text}) {
      const KeyReport report = compare_keys(TensorTable(tower), scheme, both);
      EXPECT_TRUE(report.clean()) << tower.family << ' ' << scheme << ": " << report.summary();
    }
    const InferredModel found = infer_model(both, "test");
    EXPECT_EQ(spec_to_json(found.spec), spec_to_json(image)) << scheme;
  }
}

std::string name_in(std::string_view owner, std::string_view scheme, std::string_view name) {
  return to_foreign(family(owner), scheme, name);
}

struct Renamed {
  std::string_view family, scheme, ours, theirs;
};

TEST(AimNamingTest, NamesFollowThePublishedCheckpoints) {
  constexpr std::array kNames{
      Renamed{"aim_v1", "official", "patch_embed.proj.bias", "preprocessor.patchifier.proj.bias"},
      Renamed{"aim_v1", "official", "patch_embed.norm.bias", "preprocessor.patchifier.norm.bias"},
      Renamed{"aim_v1", "official", "blocks.3.attn.qkv.weight", "trunk.blocks.3.attn.qkv.weight"},
      Renamed{"aim_v1", "official", "blocks.3.norm1.bias", "trunk.blocks.3.norm_1.bias"},
      Renamed{"aim_v1", "official", "blocks.3.mlp.up.weight", "trunk.blocks.3.mlp.fc1.weight"},
      Renamed{"aim_v1", "official", "blocks.3.mlp.down.weight", "trunk.blocks.3.mlp.fc2.weight"},
      Renamed{"aim_v1", "official", "norm.weight", "trunk.post_trunk_norm.weight"},
      Renamed{"aim_v1", "official", "head.queries", "head.cls_token"},
      Renamed{"aim_v1", "official", "head.k.weight", "head.k.weight"},
      Renamed{"aim_v1", "official", "head.weight", "head.linear.weight"},
      Renamed{"aim_v1", "official", "head_norm.num_batches_tracked", "head.bn.num_batches_tracked"},
      Renamed{"aim_v1", "official", "blocks.1.attn.qkv.lora_A", "trunk.blocks.1.attn.qkv.lora_A"},
      Renamed{"aim_v1", "l3m", "patch_embed.proj.weight",
              "preprocessor.blocks.0.patchifier.proj.weight"},
      Renamed{"aim_v1", "l3m", "blocks.1.norm2.weight", "trunk.blocks.1.norm_2.weight"},
      Renamed{"aim_v1", "l3m", "decoder.embed.bias", "head.decoder_projection.bias"},
      Renamed{"aim_v1", "l3m", "decoder.blocks.4.mlp.up.weight",
              "head.decoder_blocks.4.mlp.fc1.weight"},
      Renamed{"aim_v1", "l3m", "decoder.pred.weight", "head.decoder_pred.weight"},
      Renamed{"aim_v2", "official", "pos_embed", "preprocessor.pos_embed"},
      Renamed{"aim_v2", "official", "blocks.0.mlp.gate.weight", "trunk.blocks.0.mlp.fc1.weight"},
      Renamed{"aim_v2", "official", "blocks.0.mlp.up.weight", "trunk.blocks.0.mlp.fc3.weight"},
      Renamed{"aim_v2", "transformers", "pos_embed", "embeddings.position_embedding.weight"},
      Renamed{"aim_v2", "transformers", "patch_embed.proj.weight", "embeddings.patch_embed.weight"},
      Renamed{"aim_v2", "transformers", "blocks.2.norm1.weight",
              "encoder.layers.2.rms_norm1.weight"},
      Renamed{"aim_v2", "transformers", "blocks.2.attn.proj.weight",
              "encoder.layers.2.attention.out_proj.weight"},
      Renamed{"aim_v2", "transformers", "blocks.2.mlp.gate.weight",
              "encoder.layers.2.ffn.gate_proj.weight"},
      Renamed{"aim_v2", "transformers_lit", "head.k.bias", "vision_model.head.k_proj.bias"},
      Renamed{"aim_v2", "transformers_lit", "projection.weight", "visual_projection.weight"},
      Renamed{"aim_v2", "timm", "patch_embed.norm.weight", "patch_embed.norm.weight"},
      Renamed{"aim_v2", "timm", "blocks.2.mlp.gate.weight", "blocks.2.mlp.fc1_g.weight"},
      Renamed{"aim_v2", "timm", "blocks.2.mlp.up.weight", "blocks.2.mlp.fc1_x.weight"},
      Renamed{"aim_v2", "timm", "norm.weight", "norm.weight"},
      Renamed{"aim_v2", "official_lit", "head.v.weight", "image_encoder.head.v.weight"},
      Renamed{"aim_v2", "official_lit", "projection.weight", "image_projector.weight"},
      Renamed{"aim_v2_text", "official_lit", "token_embed.weight",
              "text_encoder.preprocessor.text_embedding.weight"},
      Renamed{"aim_v2_text", "official_lit", "pos_embed",
              "text_encoder.preprocessor.positional_embedding"},
      Renamed{"aim_v2_text", "transformers_lit", "token_embed.weight",
              "text_model.embeddings.token_embedding.weight"},
      Renamed{"aim_v2_text", "transformers_lit", "norm.weight", "text_model.rms_norm.weight"}};
  for (const Renamed& name : kNames) {
    EXPECT_EQ(name_in(name.family, name.scheme, name.ours), name.theirs)
        << name.family << ' ' << name.scheme;
  }
}

TEST(AimNamingTest, QueriesKeysAndValuesAreThreeTensorsElsewhere) {
  EXPECT_THAT(to_foreign_parts(family("aim_v1"), "l3m", "blocks.1.attn.qkv.weight"),
              ElementsAre("trunk.blocks.1.attn.q_proj.weight", "trunk.blocks.1.attn.k_proj.weight",
                          "trunk.blocks.1.attn.v_proj.weight"));
  EXPECT_THAT(to_foreign_parts(family("aim_v2"), "transformers", "blocks.1.attn.qkv.weight"),
              ElementsAre("encoder.layers.1.attention.q_proj.weight",
                          "encoder.layers.1.attention.k_proj.weight",
                          "encoder.layers.1.attention.v_proj.weight"));
  EXPECT_TRUE(to_foreign_parts(family("aim_v1"), "official", "blocks.1.attn.qkv.weight").empty());
}

TEST(AimNamingTest, JoinedRowsComeApartAgain) {
  const EncoderSpec spec = [] {
    EncoderSpec tiny = preset_spec("aimv2_tiny_patch14_224");
    tiny.dim = 4;
    tiny.heads = tiny.depth = 1;
    tiny.resolve();
    return tiny;
  }();
  const TensorTable table(spec);
  const TensorEntry& entry = *table.find("blocks.0.attn.qkv.weight");
  const ForeignTensor foreign = table.foreign(entry.name, "transformers");
  std::vector<float> values(48);
  std::iota(values.begin(), values.end(), 0.0F);
  const HostTensor own = HostTensor::of<float>(DType::kF32, {12, 4}, values);
  const auto parts = foreign_parts(foreign, own);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[1].second.shape(), (Shape{4, 4}));
  EXPECT_EQ(parts[1].second.to_f32().front(), 16.0F);
  const auto read = [&](const std::string& name) -> std::optional<HostTensor> {
    for (const auto& [known, part] : parts) {
      if (known == name) return part;
    }
    return std::nullopt;
  };
  EXPECT_EQ(read_foreign(foreign, entry, read)->to_f32(), values);
}

TEST(AimNamingTest, TrainingFilesHoldPositionsThatNobodyReads) {
  const EncoderSpec spec = resolved("aim_600m_patch14_224_pretrain");
  TensorIndex index = foreign_tensors(spec, "l3m");
  index.emplace("preprocessor.blocks.0.pos_embed", Shape{1, 324, 1536});
  index.emplace("head.decoder_pos_embed", Shape{1, 324, 2048});
  const InferredModel model = infer_model(index, "test");
  EXPECT_TRUE(compare_keys(TensorTable(model.spec), "l3m", index).clean());
  EXPECT_EQ(model.spec.height, 252);  // the stored table tells the size of the images
}

TEST(AimNamingTest, MaskBuffersOfTheReleaseAreIgnored) {
  const EncoderSpec spec = resolved("aim_600m_patch14_224");
  TensorIndex index = foreign_tensors(spec, "official");
  index.emplace("trunk.blocks.0.attn.attn_mask", Shape{1, 256, 256});
  EXPECT_TRUE(compare_keys(TensorTable(spec), "official", index).clean());
}

}  // namespace
}  // namespace conopa::arch

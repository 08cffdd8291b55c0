// Layers against released code: the blocks of a LLaMA (in two forms) and an OPT, computed by their
// reference implementations on random weights.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/tensor_table.h"
#include "conopa/io/checkpoint.h"
#include "conopa/llm/source.h"
#include "tests/llm/reference_block.h"
#include "tests/llm/small_lm.h"

namespace conopa::llm {
namespace {

using testing::llm_data;
using testing::reference_block;
using testing::same_tensors;

/// Largest difference over the largest expected magnitude.
double block_error(const LmConfig& config, const LmTensors& layer, const std::string& file) {
  const auto io = open_checkpoint(llm_data(file));
  const HostTensor x = io->read("x");  // [B, T, D]
  const HostTensor y = io->read("y");
  double worst = 0.0;
  double largest = 0.0;
  for (std::int64_t b = 0; b < x.dim(0); ++b) {
    const std::vector<double> found =
        reference_block(config, layer, x.rows(b, 1).to_f64(), x.dim(1));
    const std::vector<double> expected = y.rows(b, 1).to_f64();
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double error = std::abs(found[i] - expected[i]);
      if (!(error <= worst)) worst = error;  // NaN too
      largest = std::max(largest, std::abs(expected[i]));
    }
  }
  return worst / largest;
}

constexpr double kTolerance = 1e-6;  // the cases are float32

TEST(LmAgreementTest, MetaLayerComputesTheReleasedBlock) {
  const LmSource source = LmSource::open(llm_data("llama_meta"));
  EXPECT_LT(block_error(source.config(), source.layer(2), "llama_block.safetensors"), kTolerance);
}

TEST(LmAgreementTest, HuggingFaceLayerComputesTheReleasedBlockInEitherOrder) {
  const LmSource source = LmSource::open(llm_data("llama_hf"));
  for (const RowOrder order : {RowOrder::kInterleaved, RowOrder::kAsStored}) {
    const LmTensors layer = source.layer(2, {.order = order});
    EXPECT_LT(block_error(source.config(), layer, "llama_block.safetensors"), kTolerance);
  }
}

TEST(LmAgreementTest, AnotherLayerDoesNot) {
  const LmSource source = LmSource::open(llm_data("llama_meta"));
  EXPECT_GT(block_error(source.config(), source.layer(1), "llama_block.safetensors"), 0.01);
}

TEST(LmAgreementTest, OptLayerComputesTheReleasedBlock) {
  const LmSource source = LmSource::open(llm_data("opt/weights.pth"));
  EXPECT_LT(block_error(source.config(), source.layer(2), "opt_block.safetensors"), kTolerance);
}

TEST(LmAgreementTest, MetaAndHuggingFaceLayersAreEqual) {
  const LmSource meta = LmSource::open(llm_data("llama_meta"));
  const LmSource hub = LmSource::open(llm_data("llama_hf"));
  for (std::int64_t i = 0; i < meta.config().layers; ++i) {
    EXPECT_TRUE(same_tensors(meta.layer(i), hub.layer(i))) << i;
    EXPECT_EQ(LmSource::hash_of(meta.layer(i)), LmSource::hash_of(hub.layer(i))) << i;
  }
}

TEST(LmAgreementTest, AsStoredTheyDifferInRowsOfQAndKAlone) {
  const LmTensors meta = LmSource::open(llm_data("llama_meta")).layer(1);
  const LmSource hub = LmSource::open(llm_data("llama_hf"));
  LmTensors stored = hub.layer(1, {.order = RowOrder::kAsStored});
  const std::int64_t dim = hub.config().dim;
  const HostTensor& a = meta.at("attn.qkv.weight");
  const HostTensor& b = stored.at("attn.qkv.weight");
  EXPECT_NE(a.rows(0, dim).to_f32(), b.rows(0, dim).to_f32());
  EXPECT_NE(a.rows(dim, dim).to_f32(), b.rows(dim, dim).to_f32());
  EXPECT_EQ(a.rows(2 * dim, dim).to_f32(), b.rows(2 * dim, dim).to_f32());
  stored.at("attn.qkv.weight") = a;
  EXPECT_TRUE(same_tensors(meta, stored));
}

TEST(LmAgreementTest, OptTensorsAreThoseOfTheFile) {
  const LmTensors layer = LmSource::open(llm_data("opt/weights.pth")).layer(2);
  const auto file = open_checkpoint(llm_data("opt/weights.pth"));
  const auto stored = [&](const std::string& name) {
    return file->read("model.decoder.layers.2." + name).to_f32();
  };
  ASSERT_EQ(layer.size(), 12U);
  for (const std::string kind : {".weight", ".bias"}) {
    const HostTensor& qkv = layer.at("attn.qkv" + kind);
    const std::int64_t dim = 48;
    EXPECT_EQ(qkv.rows(0, dim).to_f32(), stored("self_attn.q_proj" + kind));
    EXPECT_EQ(qkv.rows(dim, dim).to_f32(), stored("self_attn.k_proj" + kind));
    EXPECT_EQ(qkv.rows(2 * dim, dim).to_f32(), stored("self_attn.v_proj" + kind));
    EXPECT_EQ(layer.at("attn.proj" + kind).to_f32(), stored("self_attn.out_proj" + kind));
    EXPECT_EQ(layer.at("norm1" + kind).to_f32(), stored("self_attn_layer_norm" + kind));
    EXPECT_EQ(layer.at("norm2" + kind).to_f32(), stored("final_layer_norm" + kind));
    EXPECT_EQ(layer.at("mlp.up" + kind).to_f32(), stored("fc1" + kind));
    EXPECT_EQ(layer.at("mlp.down" + kind).to_f32(), stored("fc2" + kind));
  }
}

}  // namespace
}  // namespace conopa::llm

#include "apps/conopa/llama_gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "conopa/engine/quantise.h"
#include "conopa/io/gguf.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using arch::EncoderSpec;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using Edit = std::function<void(EncoderSpec&)>;

EncoderSpec causal_spec(const Edit& edit = {}) {
  EncoderSpec spec = testing::small_spec();
  spec.mask = arch::Mask::kCausal;
  if (edit) edit(spec);
  spec.resolve();
  return spec;
}

void write_model(const std::filesystem::path& path, const EncoderSpec& spec,
                 std::vector<std::string> class_names = {}) {
  app::NewModel model{.spec = spec,
                      .transform = app::default_transform(spec),
                      .class_names = std::move(class_names),
                      .tensors = {},
                      .readme = "# model\n"};
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    HostTensor tensor = arch::initial_tensor(entry, 3);
    const auto size = static_cast<float>(tensor.numel());
    for (float& v : tensor.mutable_data<float>()) v += 1.0F / size;  // biases differ from zero
    model.tensors.push_back({entry.name, tensor});
  }
  app::save_model(path, model, false);
}

CommandResult export_model(const TempDir& dir, const EncoderSpec& spec,
                           const std::vector<std::string>& more = {}) {
  if (!std::filesystem::exists(dir / "m")) write_model(dir / "m", spec, {"a", "b", "c"});
  std::vector<std::string> words{"export", dir / "m",      "--to",   "llama-gguf",
                                 "--out",  dir / "m.gguf", "--force"};
  words.insert(words.end(), more.begin(), more.end());
  return run_command(words);
}

TEST(LlamaGgufTest, WritesTheTensorsThatLlamaReads) {
  const TempDir dir;
  ASSERT_EQ(export_model(dir, causal_spec()).code, 0);

  const auto file = GgufFile::open(dir / "m.gguf");
  const app::StoredModel model = app::open_model(dir / "m");
  const std::vector<float> qkv = model.weights->read("blocks.0.attn.qkv.weight").to_f32();
  std::vector<float> found;
  for (const std::string part : {"q", "k", "v"}) {
    const HostTensor tensor = file->read("blk.0.attn_" + part + ".weight");
    EXPECT_EQ(tensor.shape(), (Shape{16, 16}));
    EXPECT_EQ(file->info("blk.0.attn_" + part + ".bias").shape, Shape{16});
    const std::vector<float> values = tensor.to_f32();
    found.insert(found.end(), values.begin(), values.end());
  }
  EXPECT_EQ(found, qkv);
  for (const auto& [theirs, ours] : std::vector<std::pair<std::string, std::string>>{
           {"token_embd.weight", "head.weight"},
           {"output_norm.weight", "norm.weight"},
           {"blk.0.attn_norm.weight", "blocks.0.norm1.weight"},
           {"blk.0.attn_output.weight", "blocks.0.attn.proj.weight"},
           {"blk.0.attn_output.bias", "blocks.0.attn.proj.bias"},
           {"blk.0.ffn_norm.weight", "blocks.0.norm2.weight"},
           {"blk.0.ffn_gate.weight", "blocks.0.mlp.gate.weight"},
           {"blk.0.ffn_up.weight", "blocks.0.mlp.up.weight"},
           {"blk.0.ffn_down.weight", "blocks.0.mlp.down.weight"}}) {
    EXPECT_EQ(file->read(theirs).to_f32(), model.weights->read(ours).to_f32()) << theirs;
  }
  EXPECT_EQ(file->names().size(), 15U);  // llama.cpp refuses tensors that it does not know
}

TEST(LlamaGgufTest, MetadataTellsTheArchitecture) {
  const TempDir dir;
  const EncoderSpec spec = causal_spec([](EncoderSpec& s) { s.rope_scale = 0.5; });
  ASSERT_EQ(export_model(dir, spec).code, 0);

  const auto file = GgufFile::open(dir / "m.gguf");
  EXPECT_EQ(file->find("general.architecture")->as_string(), "llama");
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::int64_t>>{{"block_count", 1},
                                                         {"context_length", 5},
                                                         {"embedding_length", 16},
                                                         {"feed_forward_length", spec.mlp_hidden},
                                                         {"attention.head_count", 2},
                                                         {"rope.dimension_count", 8},
                                                         {"vocab_size", 3}}) {
    EXPECT_EQ(file->find("llama." + key)->as_int(), value) << key;
    EXPECT_EQ(file->find("llama." + key)->kind(), GgufKind::kU32) << key;
  }
  EXPECT_EQ(file->find("llama.attention.causal")->as_bool(), true);
  EXPECT_EQ(file->find("llama.rope.scaling.factor")->as_float(), 2.0);
  EXPECT_EQ(file->find("conopa.mask")->as_string(), "causal");
  EXPECT_EQ(file->find("classes.names")->items().size(), 3U);
  const app::StoredModel model = app::open_model(dir / "m");
  EXPECT_EQ(file->find("classes.bias")->items()[2].as_float(),
            model.weights->read("head.bias").to_f64()[2]);
}

TEST(LlamaGgufTest, ConvertsMatricesAndKeepsVectorsWide) {
  const TempDir dir;
  ASSERT_EQ(export_model(dir, causal_spec(), {"--dtype", "f16"}).code, 0);
  const auto file = GgufFile::open(dir / "m.gguf");
  EXPECT_EQ(file->info("blk.0.ffn_up.weight").dtype, DType::kF16);
  EXPECT_EQ(file->info("blk.0.attn_norm.weight").dtype, DType::kF32);
  EXPECT_EQ(file->info("blk.0.attn_q.bias").dtype, DType::kF32);
}

TEST(LlamaGgufTest, PassesBlocksThroughAndRefusesInt8) {
  const EncoderSpec spec = causal_spec([](EncoderSpec& s) {
    s.dim = 32;
    s.mlp_hidden = 0;
  });
  for (const QuantForm form : {QuantForm::kQ8_0, QuantForm::kQ4_0, QuantForm::kInt8}) {
    const TempDir dir;
    write_model(dir / "float", spec);
    const app::StoredModel model = app::open_model(dir / "float");
    app::save_model(dir / "m",
                    {.spec = spec,
                     .transform = model.transform,
                     .class_names = {},
                     .tensors = engine::quantise_weights(spec, *model.weights, {.form = form}),
                     .weight_format = form,
                     .readme = {}},
                    false);
    const CommandResult result = export_model(dir, spec, {"--dtype", "f16"});
    if (form == QuantForm::kInt8) {
      EXPECT_THAT(result.error, HasSubstr("q8_0 or q4_0"));
      continue;
    }
    ASSERT_EQ(result.code, 0) << result.error;
    const auto file = GgufFile::open(dir / "m.gguf");
    const app::StoredModel stored = app::open_model(dir / "m");
    const HostTensor qkv = stored.weights->read_quantised("blocks.0.attn.qkv.weight")->values;
    const std::optional<QuantMatrix> keys = file->read_quantised("blk.0.attn_k.weight");
    ASSERT_TRUE(keys.has_value());
    EXPECT_EQ(keys->form, form);
    EXPECT_TRUE(std::ranges::equal(keys->values.bytes(), qkv.rows(32, 32).bytes()));
    EXPECT_EQ(file->info("token_embd.weight").dtype, DType::kF16);
  }
}

TEST(LlamaGgufTest, WritesModelsWithoutHeadAndWithoutMask) {
  const TempDir dir;
  write_model(dir / "m", causal_spec([](EncoderSpec& s) {
                s.num_classes = 0;
                s.mask = arch::Mask::kSoftCausal;
                s.mask_rate = 1.0;
              }));
  ASSERT_EQ(export_model(dir, {}).code, 0);
  const auto file = GgufFile::open(dir / "m.gguf");
  EXPECT_EQ(file->info("token_embd.weight").shape, (Shape{1, 16}));
  EXPECT_EQ(file->find("llama.attention.causal")->as_bool(), false);
  EXPECT_EQ(file->find("classes.bias"), nullptr);
}

TEST(LlamaGgufTest, NamesTheObstacle) {
  const std::vector<std::pair<Edit, std::string>> cases{
      {[](EncoderSpec& s) { s.mask = arch::Mask::kSoftCausal; }, "behind the softmax"},
      {[](EncoderSpec& s) { s.mask = arch::Mask::kCausalFirstOpen; }, "mask"},
      {[](EncoderSpec& s) { s.norm = arch::Norm::kLayer; }, "norm"},
      {[](EncoderSpec& s) { s.mlp = arch::Mlp::kGelu; }, "mlp"},
      {[](EncoderSpec& s) { s.rotary = arch::Rotary::kPlane; }, "rotary"},
      {[](EncoderSpec& s) { s.rotary = arch::Rotary::kNone; }, "rotary"},
      {[](EncoderSpec& s) { s.rope_ratio = 0.5; }, "rope_ratio"},
      {[](EncoderSpec& s) { s.rope_off_blocks = {0}; }, "rope_off_blocks"},
      {[](EncoderSpec& s) { s.qk_norm = arch::QkNorm::kRmsAfterRotary; }, "qk_norm"},
      {[](EncoderSpec& s) { s.layer_scale = 0.1; }, "layer scale"},
      {[](EncoderSpec& s) { s.head_norm = arch::HeadNorm::kBatch; }, "head_norm"},
      {[](EncoderSpec& s) { s.read_out = arch::ReadOut::kMeanNorm; }, "read_out"}};
  EXPECT_EQ(app::llama_obstacle(causal_spec()), std::nullopt);
  for (const auto& [edit, reason] : cases) {
    EXPECT_THAT(app::llama_obstacle(causal_spec(edit)).value_or("none"), HasSubstr(reason));
  }
}

TEST(LlamaGgufTest, RefusesWithOneLineAndWritesNothing) {
  const TempDir dir;
  const CommandResult result = export_model(dir, testing::small_spec());  // the released mask
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("behind the softmax"));
  EXPECT_THAT(dir.names(), ::testing::ElementsAre("m"));
}

}  // namespace
}  // namespace conopa

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "apps/conopa/lora_weights.h"
#include "apps/conopa/model_store.h"
#include "apps/conopa/network.h"
#include "conopa/arch/init.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"
#ifdef CONOPA_TRAIN
#include "apps/conopa/torch_parts.h"
#endif

namespace conopa::app {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::small_spec;
using testing::TempDir;

arch::EncoderSpec lora_spec(std::int64_t rank = 2) {
  arch::EncoderSpec spec = small_spec();
  spec.depth = 2;
  spec.lora_rank = rank;
  spec.lora_alpha = 3.0;
  spec.resolve();
  return spec;
}

// Random weights; branches end in random matrices too, as after training.
void write_model(const std::filesystem::path& path, const arch::EncoderSpec& spec,
                 DType dtype = DType::kF32) {
  NewModel model{.spec = spec,
                 .transform = default_transform(spec),
                 .class_names = {},
                 .tensors = {},
                 .readme = "# lora\n"};
  const arch::TensorTable table(spec);
  for (arch::TensorEntry entry : table.entries()) {
    if (arch::names::is_lora(entry.name)) {
      entry.init = arch::Init::kNormal;
      entry.value = 0.1;
    }
    const HostTensor tensor = arch::initial_tensor(entry, 1);
    const std::vector<float> values = tensor.to_f32();
    HostTensor stored = HostTensor::zeros(dtype, tensor.shape());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (dtype == DType::kF32) stored.mutable_data<float>()[i] = values[i];
      if (dtype == DType::kBF16) stored.mutable_data<std::uint16_t>()[i] = float_to_bf16(values[i]);
    }
    model.tensors.push_back({entry.name, stored});
  }
  save_model(path, model, false);
}

double difference(const HostTensor& a, const HostTensor& b) {
  const std::vector<double> x = a.to_f64();
  const std::vector<double> y = b.to_f64();
  EXPECT_EQ(x.size(), y.size());
  double out = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) out = std::max(out, std::abs(x[i] - y[i]));
  return out;
}

TEST(LoraSumTest, AddsToQueriesAndValuesAlone) {
  const std::vector<float> weight(12, 1.0F);            // [3·2, 2]
  const std::vector<float> a{1.0F, 2.0F, 10.0F, 0.0F};  // [2·1, 2]
  const std::vector<float> b{1.0F, -1.0F, 0.0F, 3.0F};  // [2·2, 1]

  const HostTensor sum = lora_sum(HostTensor::of<float>(DType::kF32, {6, 2}, weight),
                                  HostTensor::of<float>(DType::kF32, {2, 2}, a),
                                  HostTensor::of<float>(DType::kF32, {4, 1}, b),
                                  std::array<std::int64_t, 2>{0, 2}, 0.5);

  EXPECT_EQ(sum.to_f32(), (std::vector<float>{1.5F, 2.0F, 0.5F, 0.0F,      // queries
                                              1.0F, 1.0F, 1.0F, 1.0F,      // keys
                                              1.0F, 1.0F, 16.0F, 1.0F}));  // values
}

TEST(LoraSumTest, RefusesOtherShapes) {
  const HostTensor weight = HostTensor::zeros(DType::kF32, {12, 4});
  const std::array<std::int64_t, 2> parts{0, 2};
  EXPECT_THROW(static_cast<void>(lora_sum(weight, HostTensor::zeros(DType::kF32, {2, 4}),
                                          HostTensor::zeros(DType::kF32, {8, 2}), parts, 1.0)),
               ShapeError);
}

/// A model with branches, and what the commands make of it.
class LoraCommandTest : public ::testing::Test {
 protected:
  LoraCommandTest() {
    write_model(dir_ / "tuned", lora_spec());
    write_model(dir_ / "base", without_lora(lora_spec()));
  }
  CommandResult lora(std::vector<std::string> words) {
    words.insert(words.begin(), "lora");
    return run_command(words);
  }
  CommandResult extract() {
    return lora({"extract", dir_ / "tuned", "--out", dir_ / "a.safetensors"});
  }
  [[nodiscard]] HostTensor tensor(const char* model, const std::string& name) const {
    return open_model(dir_ / model).weights->read(name);
  }

  TempDir dir_;
};

TEST_F(LoraCommandTest, AppliedToTheBaseTheAdapterGivesTheModelBack) {
  ASSERT_EQ(extract().code, 0);
  const CommandResult applied =
      lora({"apply", dir_ / "base", dir_ / "a.safetensors", "--out", dir_ / "again"});

  ASSERT_EQ(applied.code, 0) << applied.error;
  const StoredModel again = open_model(dir_ / "again");
  const StoredModel tuned = open_model(dir_ / "tuned");
  EXPECT_EQ(arch::spec_to_json(again.spec), arch::spec_to_json(tuned.spec));
  for (const std::string& name : tuned.weights->names()) {
    EXPECT_EQ(again.weights->read(name).to_f32(), tuned.weights->read(name).to_f32()) << name;
  }
}

TEST_F(LoraCommandTest, UnmergingLeavesRoundingOnly) {
  ASSERT_EQ(extract().code, 0);
  ASSERT_EQ(lora({"merge", dir_ / "tuned", "--out", dir_ / "merged"}).code, 0);
  const CommandResult back =
      lora({"unmerge", dir_ / "merged", dir_ / "a.safetensors", "--out", dir_ / "back"});

  ASSERT_EQ(back.code, 0) << back.error;
  EXPECT_THAT(back.out, ::testing::AnyOf(HasSubstr("rounding leaves"), HasSubstr("bit for bit")));
  EXPECT_EQ(open_model(dir_ / "back").spec.lora_rank, 0);
  const StoredModel base = open_model(dir_ / "base");
  for (const std::string& name : base.weights->names()) {
    const bool changed = name.ends_with("qkv.weight") || name.ends_with("proj.weight");
    EXPECT_LE(difference(tensor("back", name), tensor("base", name)), changed ? 1e-7 : 0.0) << name;
  }
  EXPECT_GT(difference(tensor("merged", "blocks.1.attn.qkv.weight"),
                       tensor("base", "blocks.1.attn.qkv.weight")),
            1e-3);
}

TEST_F(LoraCommandTest, KeepsTheStoredElementType) {
  write_model(dir_ / "half", lora_spec(), DType::kBF16);
  ASSERT_EQ(lora({"merge", dir_ / "half", "--out", dir_ / "merged"}).code, 0);

  EXPECT_EQ(tensor("merged", "blocks.0.attn.qkv.weight").dtype(), DType::kBF16);
}

TEST_F(LoraCommandTest, AnAdapterStatesRankAlphaAndBase) {
  ASSERT_EQ(extract().code, 0);
  const auto file = SafetensorsFile::open(dir_ / "a.safetensors");

  EXPECT_EQ(file->metadata().at("lora_rank"), "2");
  EXPECT_EQ(file->metadata().at("lora_alpha"), "3");
  EXPECT_EQ(file->metadata().at("base_fingerprint"), base_fingerprint(open_model(dir_ / "base")));
  EXPECT_EQ(file->names().size(), 8U);
}

TEST_F(LoraCommandTest, RefusesWhatDoesNotFit) {
  ASSERT_EQ(extract().code, 0);
  const auto apply_to = [this](const arch::EncoderSpec& spec) {
    std::filesystem::remove_all(dir_ / "other");
    write_model(dir_ / "other", spec);
    return lora({"apply", dir_ / "other", dir_ / "a.safetensors", "--out", dir_ / "x"}).error;
  };
  arch::EncoderSpec spec = without_lora(lora_spec());
  spec.dim = 32;
  spec.mlp_hidden = 0;
  spec.resolve();
  EXPECT_THAT(apply_to(spec), HasSubstr("another width"));
  spec = without_lora(lora_spec());
  spec.depth = 3;
  EXPECT_THAT(apply_to(spec), HasSubstr("another depth"));
  spec.depth = 1;
  EXPECT_THAT(apply_to(spec), HasSubstr("deeper model"));
  EXPECT_THAT(apply_to(lora_spec()), HasSubstr("has LoRA branches already"));
  EXPECT_THAT(lora({"merge", dir_ / "base", "--out", dir_ / "x"}).error,
              HasSubstr("no LoRA branches"));
  EXPECT_THAT(lora({"extract", dir_ / "base", "--out", dir_ / "x"}).error,
              HasSubstr("no LoRA branches"));
}

TEST_F(LoraCommandTest, RefusesARankThatTheTensorsDoNotHave) {
  ASSERT_EQ(extract().code, 0);
  const auto file = SafetensorsFile::open(dir_ / "a.safetensors");
  Metadata metadata = file->metadata();
  metadata["lora_rank"] = "4";
  write_safetensors(dir_ / "b.safetensors", read_all(*file), metadata);

  const CommandResult result =
      lora({"apply", dir_ / "base", dir_ / "b.safetensors", "--out", dir_ / "x"});
  EXPECT_EQ(result.code, static_cast<int>(ExitCode::kBadData));
  EXPECT_THAT(result.error, HasSubstr("another rank"));
}

TEST_F(LoraCommandTest, AnotherBaseIsRefusedUnlessAskedFor) {
  ASSERT_EQ(extract().code, 0);
  ASSERT_EQ(lora({"merge", dir_ / "tuned", "--out", dir_ / "merged"}).code, 0);
  const std::vector<std::string> words{"apply", dir_ / "merged", dir_ / "a.safetensors", "--out",
                                       dir_ / "x"};
  EXPECT_THAT(lora(words).error, HasSubstr("--any-base"));

  std::vector<std::string> any = words;
  any.emplace_back("--any-base");
  EXPECT_EQ(lora(any).code, 0);
}

#ifdef CONOPA_TRAIN
TEST_F(LoraCommandTest, TheMergedModelComputesTheSame) {
  ASSERT_EQ(lora({"merge", dir_ / "tuned", "--out", dir_ / "merged"}).code, 0);
  HostTensor images = HostTensor::zeros(DType::kF32, {3, 3, 8, 8});
  float value = 0.0F;
  for (float& pixel : images.mutable_data<float>()) pixel = std::sin(value += 0.7F);
  const auto logits = [&](const char* name) {
    const StoredModel model = open_model(dir_ / name);
    return torch_parts()
        .network(model, model.spec, {.engine = "torch", .precision = "fp32"})
        ->logits(images, 3);
  };

  const std::vector<float> tuned = logits("tuned");
  const std::vector<float> merged = logits("merged");
  const std::vector<float> base = logits("base");
  double moved = 0.0;
  for (std::size_t i = 0; i < tuned.size(); ++i) {
    EXPECT_NEAR(merged[i], tuned[i], 1e-5);
    moved = std::max(moved, std::abs(static_cast<double>(tuned[i] - base[i])));
  }
  EXPECT_GT(moved, 1e-3);
}
#endif

}  // namespace
}  // namespace conopa::app

#include "conopa/train/trainable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/train/optimizer_toy.h"

namespace conopa::train {
namespace {

TEST(TrainableTest, HeadFreezesEverythingElse) {
  nn::Parameters parameters = toy_parameters();
  apply_trainable(parameters, Trainable::kHead);
  std::vector<std::string> trained;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters.tensors()[i].requires_grad()) {
      trained.push_back(parameters.table().entries()[i].name);
    }
  }
  EXPECT_THAT(trained, testing::ElementsAre("head.weight", "head.bias"));
}

TEST(TrainableTest, LoraTrainsBranchesAndHead) {
  arch::EncoderSpec spec = toy_config("unused").model.spec;
  spec.num_classes = 4;
  spec.lora_rank = 2;
  spec.resolve();
  nn::Parameters parameters{arch::TensorTable(spec)};
  apply_trainable(parameters, Trainable::kLora);
  std::vector<std::string> trained;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters.tensors()[i].requires_grad()) {
      trained.push_back(parameters.table().entries()[i].name);
    }
  }
  EXPECT_THAT(
      trained,
      testing::UnorderedElementsAre(
          "blocks.0.attn.qkv.lora_A", "blocks.0.attn.qkv.lora_B", "blocks.0.attn.proj.lora_A",
          "blocks.0.attn.proj.lora_B", "blocks.1.attn.qkv.lora_A", "blocks.1.attn.qkv.lora_B",
          "blocks.1.attn.proj.lora_A", "blocks.1.attn.proj.lora_B", "head.weight", "head.bias"));
}

TEST(TrainableTest, LoraNeedsBranches) {
  nn::Parameters parameters = toy_parameters();
  try {
    apply_trainable(parameters, Trainable::kLora);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("set model.lora_rank"));
  }
}

TEST(TrainableTest, AllLeavesTheTableInCharge) {
  nn::Parameters parameters = toy_parameters();
  apply_trainable(parameters, Trainable::kAll);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_EQ(parameters.tensors()[i].requires_grad(), parameters.table().entries()[i].trainable);
  }
}

TEST(TrainableTest, NeedsAHead) {
  arch::EncoderSpec spec = toy_config("unused").model.spec;
  spec.num_classes = 0;
  spec.resolve();
  nn::Parameters parameters{arch::TensorTable(spec)};
  EXPECT_THROW(apply_trainable(parameters, Trainable::kHead), ConfigError);
}

}  // namespace
}  // namespace conopa::train

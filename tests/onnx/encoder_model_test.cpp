#include "conopa/onnx/encoder_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "conopa/core/error.h"
#include "tests/onnx/cases.h"

namespace conopa::onnx {
namespace {

using testing::all_cases;
using ::testing::HasSubstr;
using testing::random_tensors;

const testing::Case& case_of(const std::string& name) {
  static const std::vector<testing::Case> cases = all_cases();
  return *std::ranges::find(cases, name, &testing::Case::name);
}

std::int64_t count(const Model& model, std::string_view op) {
  return std::ranges::count(model.nodes, op, &Node::op);
}

class EncoderModelCaseTest : public ::testing::TestWithParam<testing::Case> {};

TEST_P(EncoderModelCaseTest, IsAGraphWhoseValuesAreMadeBeforeTheyAreUsed) {
  const MemorySource weights(random_tensors(GetParam().spec));
  const Model model = encoder_model(GetParam().spec, weights, GetParam().options);
  std::set<std::string> known;
  for (const Port& input : model.inputs) known.insert(input.name);
  std::set<std::string> unused;
  for (const Initializer& initializer : model.initializers) {
    EXPECT_TRUE(known.insert(initializer.name).second) << initializer.name;
    unused.insert(initializer.name);
    const HostTensor tensor = initializer.load();
    EXPECT_EQ(tensor.shape(), initializer.shape) << initializer.name;
    EXPECT_EQ(tensor.dtype(), initializer.dtype) << initializer.name;
  }
  for (const Node& node : model.nodes) {
    for (const std::string& input : node.inputs) {
      EXPECT_TRUE(known.contains(input)) << node.name << " reads " << input;
      unused.erase(input);
    }
    for (const std::string& output : node.outputs) {
      EXPECT_TRUE(known.insert(output).second) << node.name << " writes " << output << " again";
    }
  }
  EXPECT_THAT(unused, ::testing::IsEmpty());
  for (const Port& output : model.outputs) EXPECT_TRUE(known.contains(output.name));
}

INSTANTIATE_TEST_SUITE_P(Cases, EncoderModelCaseTest, ::testing::ValuesIn(all_cases()),
                         [](const auto& one) { return one.param.name; });

TEST(EncoderModelTest, OneProductMakesQueriesKeysAndValues) {
  const testing::Case& mean = case_of("mask_causal_none");  // no shortcut for a class token
  const MemorySource weights(random_tensors(mean.spec));
  const Model model = encoder_model(mean.spec, weights);
  EXPECT_EQ(count(model, "MatMul"), mean.spec.depth * (5 + 2));  // qkv, proj, MLP; q·kᵀ, A·v
}

TEST(EncoderModelTest, Int8LayersShareTheQuantisationOfTheirInput) {
  const testing::Case& int8 = case_of("int8_pyramid");
  const MemorySource weights(random_tensors(int8.spec));
  const Model model = encoder_model(int8.spec, weights, int8.options);
  // Gate and up of 5 blocks read one input, and so do queries and keys that are not pooled.
  EXPECT_EQ(count(model, "MatMulInteger"), count(model, "DynamicQuantizeLinear") + 5 + 1);
}

TEST(EncoderModelTest, RefusesWhatItCannotExport) {
  const arch::EncoderSpec learned = case_of("learned_steps").spec;
  const MemorySource weights(random_tensors(learned));
  EXPECT_THROW(static_cast<void>(encoder_model(learned, weights, {.precision = Precision::kInt8})),
               UnsupportedError);

  arch::EncoderSpec language = case_of("read_patch_mean_norm_front").spec;
  language.llm.unit = arch::LanguageUnit::kBlock;
  try {
    static_cast<void>(encoder_model(language, weights));
    FAIL() << "a language block was left out";
  } catch (const UnsupportedError& error) {
    EXPECT_THAT(error.what(), HasSubstr("language block"));
  }

  const arch::EncoderSpec spec = case_of("released").spec;
  std::vector<NamedTensor> fewer = random_tensors(spec);
  fewer.pop_back();
  const MemorySource incomplete(std::move(fewer), {}, "part.safetensors");
  try {
    static_cast<void>(encoder_model(spec, incomplete));
    FAIL() << "incomplete weights were accepted";
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("part.safetensors"));
    EXPECT_THAT(error.what(), HasSubstr("1 missing (head.bias)"));
  }
}

}  // namespace
}  // namespace conopa::onnx

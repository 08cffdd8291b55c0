#include "conopa/onnx/write.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "conopa/io/mapped_file.h"
#include "tests/io/proto_fields.h"
#include "tests/io/temp_dir.h"

namespace conopa::onnx {
namespace {

using testing::proto_fields;
using testing::TempDir;
using Fields = std::multimap<int, std::string>;

constexpr int kGraph = 7, kInitializer = 5, kRaw = 9, kExternal = 13, kLocation = 14;

Initializer floats(std::string name, std::vector<float> values) {
  const Shape shape{std::ssize(values)};
  return {.name = std::move(name), .dtype = DType::kF32, .shape = shape, .load = [values, shape] {
            return HostTensor::of<float>(DType::kF32, shape, values);
          }};
}

/// y = x + weight.
Model addition(std::size_t width) {
  const auto size = static_cast<std::int64_t>(width);
  Model model{.name = "addition", .producer_version = "1"};
  model.inputs = {{.name = "x", .shape = {"batch", size}}};
  model.outputs = {{.name = "y", .shape = {"batch", size}}};
  model.nodes = {{.op = "Add", .name = "sum", .inputs = {"x", "weight"}, .outputs = {"y"}}};
  model.initializers = {floats("weight", std::vector<float>(width, 1.5F)),
                        floats("small", {1.0F, 2.0F})};
  model.metadata = {{"class_names", "[]"}};
  return model;
}

Fields graph_of(const std::filesystem::path& path) {
  return proto_fields(proto_fields(read_text_file(path)).find(kGraph)->second);
}

std::vector<Fields> initializers_of(const std::filesystem::path& path) {
  std::vector<Fields> out;
  const Fields graph = graph_of(path);
  const auto [begin, end] = graph.equal_range(kInitializer);
  for (auto it = begin; it != end; ++it) out.push_back(proto_fields(it->second));
  return out;
}

TEST(OnnxWriteTest, FileHoldsVersionGraphAndWeights) {
  const TempDir dir;

  const WriteResult result = write_model(dir / "m.onnx", addition(3));

  EXPECT_TRUE(result.data_file.empty());
  EXPECT_EQ(result.bytes, static_cast<std::int64_t>(std::filesystem::file_size(dir / "m.onnx")));
  const Fields model = proto_fields(read_text_file(dir / "m.onnx"));
  EXPECT_EQ(model.find(1)->second, "8");
  EXPECT_EQ(proto_fields(model.find(8)->second).find(2)->second, "17");
  EXPECT_EQ(proto_fields(model.find(14)->second).find(1)->second, "class_names");
  const Fields graph = graph_of(dir / "m.onnx");
  EXPECT_EQ(proto_fields(graph.find(1)->second).find(4)->second, "Add");
  const std::vector<Fields> tensors = initializers_of(dir / "m.onnx");
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[1].find(8)->second, "small");
  EXPECT_EQ(tensors[1].find(kRaw)->second, (std::string("\x00\x00\x80\x3f\x00\x00\x00\x40", 8)));
}

TEST(OnnxWriteTest, LargeTensorsGoToASecondFileAtPages) {
  const TempDir dir;
  Model model = addition(1000);
  model.initializers.push_back(floats("late", std::vector<float>(500, 2.0F)));

  const WriteResult result = write_model(dir / "m.onnx", model, {.max_inline_bytes = 5000});

  EXPECT_EQ(result.data_file, dir / "m.onnx.data");
  EXPECT_EQ(std::filesystem::file_size(result.data_file), 4096U + 2000U);
  const std::vector<Fields> tensors = initializers_of(dir / "m.onnx");
  EXPECT_EQ(tensors[0].find(kLocation)->second, "1");
  EXPECT_EQ(tensors[1].count(kExternal), 0U);  // small ones stay
  std::vector<std::string> entries;
  const auto [begin, end] = tensors[2].equal_range(kExternal);
  for (auto it = begin; it != end; ++it) {
    const Fields entry = proto_fields(it->second);
    entries.push_back(entry.find(1)->second + "=" + entry.find(2)->second);
  }
  EXPECT_EQ(entries,
            (std::vector<std::string>{"location=m.onnx.data", "offset=4096", "length=2000"}));
}

TEST(OnnxWriteTest, WeightsAreLoadedOnceAndNoFileAppearsWhenOneFails) {
  const TempDir dir;
  Model model = addition(3);
  int loads = 0;
  model.initializers[0].load = [&loads] {
    ++loads;
    return HostTensor::zeros(DType::kF32, {3});
  };
  static_cast<void>(write_model(dir / "m.onnx", model));
  EXPECT_EQ(loads, 1);

  model.initializers[1].load = [] { return HostTensor::zeros(DType::kF32, {7}); };
  EXPECT_THROW(static_cast<void>(write_model(dir / "broken.onnx", model)), std::logic_error);
  EXPECT_EQ(dir.names(), (std::vector<std::string>{"m.onnx"}));
}

}  // namespace
}  // namespace conopa::onnx

#include "onnx/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "conopa/core/error.h"

namespace conopa::onnx {

Graph::Scope::Scope(Graph& graph, std::string_view part)
    : graph_(graph), length_(graph.path_.size()) {
  graph_.path_ += part;
  graph_.path_ += '/';
}

std::vector<Value> Graph::add_several(std::string_view op, std::string_view what,
                                      std::vector<Value> inputs, std::size_t outputs,
                                      std::vector<Attribute> attributes) {
  std::string name = path_ + std::string(what);
  CONOPA_ASSERT(names_.insert(name).second);
  std::vector<Value> values;
  for (std::size_t i = 0; i < outputs; ++i) {
    values.push_back(outputs == 1 ? name : fmt::format("{}/{}", name, i));
  }
  model_.nodes.push_back({.op = std::string(op),
                          .name = std::move(name),
                          .inputs = std::move(inputs),
                          .outputs = values,
                          .attributes = std::move(attributes)});
  return values;
}

Value Graph::add(std::string_view op, std::string_view what, std::vector<Value> inputs,
                 std::vector<Attribute> attributes) {
  return add_several(op, what, std::move(inputs), 1, std::move(attributes)).front();
}

Value Graph::tensor(Initializer initializer) {
  Value name = initializer.name;
  if (tensors_.insert(name).second) model_.initializers.push_back(std::move(initializer));
  return name;
}

Value Graph::constant(std::string name, DType dtype, Shape shape,
                      std::span<const std::byte> bytes) {
  if (tensors_.contains(name)) return name;
  const auto copy = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  const HostTensor held(dtype, shape, *copy, copy);
  return tensor(
      {.name = std::move(name), .dtype = dtype, .shape = std::move(shape), .load = [held] {
         return held;
       }});
}

Value Graph::floats(std::string name, Shape shape, std::vector<float> values) {
  return constant(std::move(name), DType::kF32, std::move(shape), std::as_bytes(std::span(values)));
}

Value Graph::ints(std::vector<std::int64_t> values) {
  std::string name = fmt::format("ints/{}", fmt::join(values, ","));
  const auto count = static_cast<std::int64_t>(values.size());
  return constant(std::move(name), DType::kI64, {count}, std::as_bytes(std::span(values)));
}

Value Graph::index(std::int64_t value) {
  return constant(fmt::format("index/{}", value), DType::kI64, {},
                  std::as_bytes(std::span(&value, 1)));
}

Value Graph::scalar(float value) {
  return constant(fmt::format("scalar/{}", value), DType::kF32, {},
                  std::as_bytes(std::span(&value, 1)));
}

void Graph::output(const Value& value, std::string name, std::vector<Dimension> shape) {
  for (Node& node : model_.nodes) {
    std::ranges::replace(node.inputs, value, name);
    std::ranges::replace(node.outputs, value, name);
  }
  model_.outputs.push_back(
      {.name = std::move(name), .dtype = DType::kF32, .shape = std::move(shape)});
}

}  // namespace conopa::onnx

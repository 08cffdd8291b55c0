#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/core/host_tensor.h"
#include "conopa/io/tensor_source.h"

/// ONNX models: the file format as plain structs, and encoders written as graphs.
namespace conopa::onnx {

/// A constant argument of a node.
struct Attribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>> value;
};

/// One operation of the default operator set.
struct Node {
  std::string op;
  std::string name;
  std::vector<std::string> inputs;   ///< value names; "" leaves an optional input out
  std::vector<std::string> outputs;  ///< names of the values it makes
  std::vector<Attribute> attributes = {};
};

/// A constant tensor of the graph. Its bytes are made when the file is written, one tensor at a
/// time, so that a model is never in memory twice.
struct Initializer {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::function<HostTensor()> load;  ///< gives exactly this dtype and shape
};

/// A fixed size, or the name of one that may change from run to run ("batch").
using Dimension = std::variant<std::int64_t, std::string>;

/// An input or output of the graph.
struct Port {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<Dimension> shape;
};

/// A model as ONNX knows it (onnx.proto, IR version 8).
struct Model {
  std::string name;
  std::string doc = {};
  std::string producer_version = {};
  std::int64_t opset = 17;  ///< of the default operator set
  std::vector<Port> inputs = {};
  std::vector<Port> outputs = {};
  std::vector<Node> nodes = {};  ///< in topological order
  std::vector<Initializer> initializers = {};
  Metadata metadata = {};  ///< free strings
};

}  // namespace conopa::onnx

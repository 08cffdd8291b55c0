#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/onnx/model.h"

namespace conopa::onnx {

/// Name of a value of the graph.
using Value = std::string;

/// Writes a Model node by node. A node's name is a path below the present scope, and its output has
/// the node's name.
class Graph {
 public:
  explicit Graph(Model& model) : model_(model) {}

  /// Adds a node with one output.
  /// @param what  last part of its name; unique inside the scope.
  Value add(std::string_view op, std::string_view what, std::vector<Value> inputs,
            std::vector<Attribute> attributes = {});
  /// Adds a node with several outputs, named "<node>/0", "<node>/1", ...
  std::vector<Value> add_several(std::string_view op, std::string_view what,
                                 std::vector<Value> inputs, std::size_t outputs,
                                 std::vector<Attribute> attributes = {});

  /// A tensor made when the model is written. Adding a name again changes nothing.
  Value tensor(Initializer initializer);
  Value floats(std::string name, Shape shape, std::vector<float> values);
  /// Constants are shared by content.
  Value ints(std::vector<std::int64_t> values);
  Value index(std::int64_t value);  ///< scalar
  Value scalar(float value);

  // Operations in one line, under the name of the last argument.
  Value sum(const Value& a, const Value& b, std::string_view what) {
    return add("Add", what, {a, b});
  }
  Value product(const Value& a, const Value& b, std::string_view what) {
    return add("Mul", what, {a, b});
  }
  /// @param shape  0 copies a size of the input, −1 takes what is left.
  Value reshape(const Value& x, std::vector<std::int64_t> shape, std::string_view what) {
    return add("Reshape", what, {x, ints(std::move(shape))});
  }
  Value transpose(const Value& x, std::vector<std::int64_t> order, std::string_view what) {
    return add("Transpose", what, {x}, {{"perm", std::move(order)}});
  }
  /// The part [begin, begin + length) of an axis.
  Value slice(const Value& x, std::int64_t axis, std::int64_t begin, std::int64_t length,
              std::string_view what) {
    return add("Slice", what, {x, ints({begin}), ints({begin + length}), ints({axis})});
  }
  /// Zeros around x: counts before each axis, then behind each.
  Value pad(const Value& x, std::vector<std::int64_t> counts, std::string_view what) {
    return add("Pad", what, {x, ints(std::move(counts))});
  }

  /// Makes a value an output of the graph under its public name.
  void output(const Value& value, std::string name, std::vector<Dimension> shape);

  /// Names of nodes begin with `part` while the scope lives.
  class Scope {
   public:
    Scope(Graph& graph, std::string_view part);
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { graph_.path_.resize(length_); }

   private:
    Graph& graph_;
    std::size_t length_;
  };
  [[nodiscard]] Scope scope(std::string_view part) { return {*this, part}; }

 private:
  Value constant(std::string name, DType dtype, Shape shape, std::span<const std::byte> bytes);

  Model& model_;
  std::string path_;
  std::set<std::string, std::less<>> names_;    // of nodes
  std::set<std::string, std::less<>> tensors_;  // of initializers
};

}  // namespace conopa::onnx

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/tensor_table.h"
#include "conopa/io/tensor_source.h"
#include "onnx/graph.h"

namespace conopa::onnx {

/// Rows of a matrix [out, in] of the checkpoint, in the order that a layer of the graph wants them.
struct LayerRows {
  std::string prefix;              ///< of the layer, without ".weight"
  std::vector<std::int64_t> rows;  ///< empty: all, in their order
  std::string scale;               ///< tensor [out] that rows are multiplied by; empty: none
  std::string part;                ///< tells two choices of rows of one layer apart
};

/// The tensors of a checkpoint as initializers of a graph.
class Weights {
 public:
  /// @param source  must outlive the graph.
  /// @throws FormatError if tensors of the spec are missing or shaped differently.
  Weights(const arch::EncoderSpec& spec, const TensorSource& source, Graph& graph);

  [[nodiscard]] bool has(std::string_view name) const { return table_.find(name) != nullptr; }
  [[nodiscard]] const Shape& shape(std::string_view name) const;
  /// Values of a small tensor, now.
  [[nodiscard]] std::vector<float> read(std::string_view name) const;

  /// A tensor as it is, float32, under its own name.
  Value whole(std::string_view name);
  /// A vector of the heads' width in the order that rotation by halves needs.
  Value halves_of_head(std::string_view name);

  /// The layer's matrix as the right operand of a product, [in, rows], float32.
  Value matrix(const LayerRows& layer);
  /// The same as int8 with round(w / scale), and the scales [rows] = max |w| / 127 of each row.
  struct Int8 {
    Value values, scales;
  };
  Int8 int8_matrix(const LayerRows& layer);
  /// The layer's bias [rows], "" if it has none.
  Value bias(const LayerRows& layer);

  /// The attention read-out with its queries folded into its keys (arch::fold_pool), float32.
  struct Pool {
    Value scores;  ///< [D, heads·queries]
    Value values;  ///< [heads, D, Dh]
    Value bias;    ///< [D]
  };
  Pool pool();

 private:
  const arch::EncoderSpec& spec_;
  arch::TensorTable table_;
  const TensorSource& source_;
  Graph& graph_;
};

/// Order of a head's channels for rotation by halves: the first channels of all adjacent pairs,
/// then the second ones.
[[nodiscard]] std::vector<std::int64_t> halves_order(std::int64_t head_dim);

}  // namespace conopa::onnx

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/quant_matrix.h"
#include "conopa/io/tensor_source.h"

namespace conopa {

/// Metadata key of checkpoints with quantised matrices; its value is the name of a QuantForm.
///
/// In such a checkpoint some matrices are stored in that form, all else as usual:
/// - "int8": `X.weight` I8 [N, K] and `X.weight_scale` F32 [N];
/// - "q8_0", "q4_0": `X.weight` U8 [N, K/32 blocks], 34 or 18 bytes a block.
inline constexpr std::string_view kWeightFormat = "weight_format";

/// The logical view of a checkpoint whose metadata names a weight format: names, shapes [N, K] and
/// float32 values of the matrices, made when read; read_quantised gives the stored form. The
/// metadata lose the key, so that copying what was read makes a plain checkpoint. A source without
/// the key is returned as it is.
///
/// @throws FormatError if the format is unknown, rows are no whole blocks, or scales are missing,
/// of
///         another type or length, or belong to nothing.
[[nodiscard]] std::unique_ptr<TensorSource> with_quantised(std::unique_ptr<TensorSource> stored);

/// Appends the tensors that hold a matrix.
/// @param name  of the matrix, ending in ".weight".
void append_quantised(std::vector<NamedTensor>& tensors, const std::string& name,
                      const QuantMatrix& matrix);

}  // namespace conopa

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/host_tensor.h"
#include "conopa/core/quant_blocks.h"

namespace conopa {

/// A weight matrix [rows, columns] in a quantised form.
struct QuantMatrix {
  QuantForm form = QuantForm::kInt8;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  HostTensor values;         ///< kInt8: I8 [rows, columns]; block forms: U8 [rows, row_bytes()]
  std::vector<float> scale;  ///< kInt8: [rows]; empty for block forms

  [[nodiscard]] std::int64_t row_bytes() const noexcept {
    return columns / quant_unit(form) * quant_unit_bytes(form);
  }
};

/// Quantises a matrix row by row.
///
/// @param values  [rows, columns] float32, row-major.
/// @param name    of the matrix, for messages.
/// @param where   of the file, for messages.
/// @throws FormatError if a value is not finite or too large for the form's scales; ShapeError if
///         `columns` is no multiple of 32 in a block form.
/// @complexity as quantise_row, parallel over rows.
[[nodiscard]] QuantMatrix quantise_matrix(QuantForm form, std::span<const float> values,
                                          std::int64_t rows, std::int64_t columns,
                                          std::string_view where, std::string_view name,
                                          const QuantSearch& search = {});

/// The matrix as float32 [rows, columns].
[[nodiscard]] HostTensor dequantise_matrix(const QuantMatrix& matrix);

/// Whether every scale of a matrix is finite.
[[nodiscard]] bool finite_scales(const QuantMatrix& matrix) noexcept;

}  // namespace conopa

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "conopa/io/tensor_source.h"
#include "conopa/kernels/linear.h"

namespace conopa::engine {

/// A weight as its source holds it, and the memory behind its views: quantised forms, float32,
/// float16 and bfloat16 stay as they are (in the mapped file where they lie there), other types
/// become float32.
class StoredMatrix {
 public:
  /// @param name  of a tensor of at least one dimension; the first is the rows.
  /// @throws FormatError if a value, or a scale of a quantised form, is not finite.
  /// @complexity O(elements), parallel.
  StoredMatrix(const TensorSource& source, const std::string& name);

  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::int64_t columns() const noexcept { return columns_; }

  /// Rows from `begin` on; valid as long as this object.
  [[nodiscard]] kernels::WeightView view(std::int64_t begin = 0) const noexcept;

  /// Whether it is stored as numbers, not quantised.
  [[nodiscard]] bool is_float() const noexcept;
  /// A row as float32; of float matrices alone.
  void copy_row(std::int64_t row, std::span<float> out) const;
  /// Bytes that the matrix occupies, in memory or in the mapped file.
  [[nodiscard]] std::int64_t bytes() const noexcept { return rows_ * row_bytes_; }

 private:
  std::int64_t rows_ = 0;
  std::int64_t columns_ = 0;
  kernels::WeightForm form_ = kernels::WeightForm::kF32;
  HostTensor tensor_;
  std::vector<float> converted_;  // of types that are no weight form
  std::vector<float> scale_;
  const std::byte* data_ = nullptr;
  std::int64_t row_bytes_ = 0;
};

/// Refuses values that are not finite.
/// @throws FormatError naming the tensor.
void require_finite(const TensorSource& source, const std::string& name,
                    std::span<const float> values);

}  // namespace conopa::engine

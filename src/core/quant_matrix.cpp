#include "conopa/core/quant_matrix.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa {
namespace {

constexpr std::int64_t kGrain = 16;  // rows

}  // namespace

QuantMatrix quantise_matrix(QuantForm form, std::span<const float> values, std::int64_t rows,
                            std::int64_t columns, std::string_view where, std::string_view name,
                            const QuantSearch& search) {
  if (columns < 1 || columns % quant_unit(form) != 0 || std::ssize(values) != rows * columns) {
    throw ShapeError(where,
                     "expected {} as [rows, columns] with columns in multiples of {}, got [{}, {}]",
                     name, quant_unit(form), rows, columns);
  }
  QuantMatrix out{.form = form, .rows = rows, .columns = columns, .values = {}, .scale = {}};
  const std::int64_t row_bytes = out.row_bytes();
  out.values = HostTensor::zeros(has_blocks(form) ? DType::kU8 : DType::kI8, {rows, row_bytes});
  const std::span<std::byte> bytes(
      has_blocks(form)
          ? reinterpret_cast<std::byte*>(out.values.mutable_data<std::uint8_t>().data())
          : reinterpret_cast<std::byte*>(out.values.mutable_data<std::int8_t>().data()),
      static_cast<std::size_t>(rows * row_bytes));
  std::vector<float> scale(static_cast<std::size_t>(rows));
  parallel_for(0, rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      scale[static_cast<std::size_t>(r)] = quantise_row(
          form,
          values.subspan(static_cast<std::size_t>(r * columns), static_cast<std::size_t>(columns)),
          bytes.subspan(static_cast<std::size_t>(r * row_bytes),
                        static_cast<std::size_t>(row_bytes)),
          search);
    }
  });
  if (!std::ranges::all_of(scale, [](float s) { return std::isfinite(s); })) {
    throw FormatError(
        where,
        "expected finite values in {} that {} can hold, found NaN, infinity or values "
        "above its range; the weights are damaged, import or train again",
        name, enum_name(form));
  }
  if (!has_blocks(form)) out.scale = std::move(scale);
  return out;
}

HostTensor dequantise_matrix(const QuantMatrix& matrix) {
  HostTensor out = HostTensor::zeros(DType::kF32, {matrix.rows, matrix.columns});
  const std::span<float> values = out.mutable_data<float>();
  const auto columns = static_cast<std::size_t>(matrix.columns);
  const auto row_bytes = static_cast<std::size_t>(matrix.row_bytes());
  parallel_for(0, matrix.rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto r = static_cast<std::size_t>(begin); r < static_cast<std::size_t>(end); ++r) {
      dequantise_row(matrix.form, matrix.values.bytes().subspan(r * row_bytes, row_bytes),
                     matrix.scale.empty() ? 1.0F : matrix.scale[r],
                     values.subspan(r * columns, columns));
    }
  });
  return out;
}

bool finite_scales(const QuantMatrix& matrix) noexcept {
  return std::ranges::all_of(matrix.scale, [](float s) { return std::isfinite(s); }) &&
         finite_block_scales(matrix.form, matrix.values.bytes());
}

}  // namespace conopa

#include "conopa/llm/row_order.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "conopa/core/error.h"

namespace conopa::llm {
namespace {

std::int64_t rows_per_head(const HostTensor& tensor, std::int64_t heads) {
  if (tensor.shape().empty() || heads < 1 || tensor.dim(0) % heads != 0) {
    throw ShapeError("heads", "expected rows of {} whole heads, found a tensor {}", heads,
                     to_string(tensor.shape()));
  }
  return tensor.dim(0) / heads;
}

/// A tensor whose row i is row `source(i)` of another.
template <typename Source>
HostTensor gather_rows(const HostTensor& tensor, std::int64_t rows, Source source) {
  Shape shape = tensor.shape();
  const std::size_t row_bytes =
      shape[0] == 0 ? 0 : tensor.bytes().size() / static_cast<std::size_t>(shape[0]);
  shape[0] = rows;
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows) * row_bytes);
  auto target = bytes.begin();
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto row =
        tensor.bytes().subspan(static_cast<std::size_t>(source(i)) * row_bytes, row_bytes);
    target = std::copy(row.begin(), row.end(), target);
  }
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const std::span<const std::byte> view(*owner);
  return {tensor.dtype(), std::move(shape), view, std::move(owner)};
}

std::int64_t half_head(const HostTensor& tensor, std::int64_t heads) {
  const std::int64_t rows = rows_per_head(tensor, heads);
  if (rows % 2 == 0) return rows / 2;
  throw ShapeError("heads", "expected heads of an even width for rotary pairs, found {}", rows);
}

}  // namespace

HostTensor to_half_order(const HostTensor& tensor, std::int64_t heads) {
  const std::int64_t half = half_head(tensor, heads);
  return gather_rows(tensor, tensor.dim(0), [half](std::int64_t row) {
    const std::int64_t head = row / (2 * half);
    const std::int64_t at = row % (2 * half);
    return head * 2 * half + 2 * (at % half) + at / half;
  });
}

HostTensor to_interleaved_order(const HostTensor& tensor, std::int64_t heads) {
  const std::int64_t half = half_head(tensor, heads);
  return gather_rows(tensor, tensor.dim(0), [half](std::int64_t row) {
    const std::int64_t head = row / (2 * half);
    const std::int64_t at = row % (2 * half);
    return head * 2 * half + (at % 2) * half + at / 2;
  });
}

HostTensor repeat_heads(const HostTensor& tensor, std::int64_t heads, std::int64_t times) {
  const std::int64_t rows = rows_per_head(tensor, heads);
  if (times == 1) return tensor;
  return gather_rows(tensor, tensor.dim(0) * times, [rows, times](std::int64_t row) {
    return row / (rows * times) * rows + row % rows;
  });
}

}  // namespace conopa::llm

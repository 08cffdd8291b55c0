#pragma once

#include <cstdint>

#include "conopa/core/host_tensor.h"

namespace conopa::llm {

/// Rows of q or k from adjacent pairs (Meta, conopa) to halves (Hugging Face): inside each head,
/// row 2a + b becomes row b * head_dim/2 + a.
///
/// @param tensor  [heads * head_dim, ...], any dtype; head_dim even.
/// @throws ShapeError if the rows are no whole heads or head_dim is odd.
[[nodiscard]] HostTensor to_half_order(const HostTensor& tensor, std::int64_t heads);

/// The inverse of to_half_order.
[[nodiscard]] HostTensor to_interleaved_order(const HostTensor& tensor, std::int64_t heads);

/// Every head's rows `times` times in a row: keys and values of grouped queries for all queries.
/// @throws ShapeError if the rows are no whole heads.
[[nodiscard]] HostTensor repeat_heads(const HostTensor& tensor, std::int64_t heads,
                                      std::int64_t times);

}  // namespace conopa::llm

#include "kernels/reference/attend.h"

#include <algorithm>
#include <cstddef>

#include "conopa/core/dtype.h"
#include "conopa/core/parallel.h"
#include "kernels/reference/act_ops.h"
#include "kernels/reference/attention.h"

namespace conopa::kernels::reference {

namespace {

std::int64_t row_of(const std::int32_t* index, std::int64_t position) {
  return index == nullptr ? position : index[position];
}

std::vector<double> gather(const ConstAct& rows, const std::int32_t* index, std::int64_t first,
                           std::int64_t count, std::int64_t column, std::int64_t width) {
  std::vector<double> values;
  for (std::int64_t n = first; n < first + count; ++n) {
    for (std::int64_t d = column; d < column + width; ++d) {
      values.push_back(static_cast<double>(decode(rows, row_of(index, n), d)));
    }
  }
  return values;
}

void store(const MutableAct& rows, std::int64_t row, std::int64_t column, double value) {
  const std::int64_t at = row * rows.stride + column;
  const auto narrow = static_cast<float>(value);
  if (rows.type == ActType::kF32) {
    static_cast<float*>(rows.data)[at] = narrow;
  } else {
    static_cast<std::uint16_t*>(rows.data)[at] = float_to_bf16(narrow);
  }
}

void attend_head(const AttendArgs& args, std::int64_t s, std::int64_t h) {
  const std::int64_t width = args.head_width;
  const HeadProblem problem{
      .queries = args.queries,
      .keys = args.keys,
      .width = width,
      .scale = static_cast<double>(args.scale),
      .mask = args.mask.kind,
      .alpha = static_cast<double>(args.mask.alpha),
      .prefix = args.mask.prefix.empty() ? 0 : args.mask.prefix[static_cast<std::size_t>(s)]};
  const HeadResult result = head_forward(
      problem, {.q = gather(args.q, args.q_rows, s * args.queries, args.queries, h * width, width),
                .k = gather(args.k, args.k_rows, s * args.keys, args.keys, h * width, width),
                .v = gather(args.v, args.k_rows, s * args.keys, args.keys, h * width, width)});
  const bool last = h + 1 == args.heads;
  const std::int64_t used = args.heads * width;
  for (std::int64_t i = 0; i < args.queries; ++i) {
    const std::int64_t row = row_of(args.q_rows, s * args.queries + i);
    for (std::int64_t d = 0; d < width; ++d) {
      store(args.out, row, h * width + d, result.out[static_cast<std::size_t>(i * width + d)]);
    }
    if (!last) continue;
    for (std::int64_t d = used; d < act_padded(args.out.type, used); ++d) {
      store(args.out, row, d, 0.0);
    }
  }
}

}  // namespace

void attend(const AttendArgs& args) {
  parallel_for(0, args.sequences * args.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) attend_head(args, i / args.heads, i % args.heads);
  });
}

}  // namespace conopa::kernels::reference

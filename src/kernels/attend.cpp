#include "conopa/kernels/attend.h"

#include <cmath>

#include "kernels/act_check.h"
#include "kernels/attend_table.h"
#include "kernels/reference/attend.h"

namespace conopa::kernels {

namespace {

constexpr std::string_view kWhere = "attend";

void require_float(ActType type) {
  if (type == ActType::kI8) {
    throw UnsupportedError(kWhere, "expected float32 or bfloat16 rows, got int8; convert them");
  }
}

void check_mask(const AttendArgs& args) {
  const AttentionMask& mask = args.mask;
  if (mask.kind != MaskKind::kNone && args.queries != args.keys) {
    throw ShapeError(kWhere,
                     "a mask needs as many keys as queries, got {} and {}; use MaskKind::kNone",
                     args.keys, args.queries);
  }
  if (mask.kind == MaskKind::kSoftCausal && !(mask.alpha >= 0.0F && mask.alpha <= 1.0F)) {
    throw ShapeError(kWhere, "soft mask rate must lie in [0, 1], got {}; check the model",
                     mask.alpha);
  }
  if (mask.kind != MaskKind::kPrefixCausal) return;
  require_size(kWhere, "prefix", mask.prefix.size(), args.sequences);
  for (const std::int64_t length : mask.prefix) {
    if (length < 0 || length > args.keys) {
      throw ShapeError(kWhere, "prefix length must lie in [0, {}], got {}; check the caller",
                       args.keys, length);
    }
  }
}

void check_rows(const AttendArgs& args, std::string_view what, const ConstAct& rows) {
  require_pointer(kWhere, what, rows.data);
  require_stride(kWhere, what, rows.stride, args.heads * args.head_width);
  if (rows.type != args.q.type) {
    throw ShapeError(kWhere, "{} must have the element type of q; convert the rows", what);
  }
}

void check(const AttendArgs& args) {
  require_dimension(kWhere, "sequences", args.sequences, 0);
  require_dimension(kWhere, "queries", args.queries, 0);
  require_dimension(kWhere, "keys", args.keys, 1);
  require_dimension(kWhere, "heads", args.heads, 1);
  require_dimension(kWhere, "head width", args.head_width, 1);
  check_mask(args);
  if (!std::isfinite(args.scale) || args.scale < 0.0F) {
    throw ShapeError(kWhere, "scale must be finite and not negative, got {}; check the model",
                     args.scale);
  }
  require_float(args.q.type);
  if (args.sequences * args.queries == 0) return;
  check_rows(args, "q", args.q);
  check_rows(args, "k", args.k);
  check_rows(args, "v", args.v);
  check_rows(args, "out", args.out);
  require_stride(kWhere, "out", args.out.stride,
                 act_padded(args.out.type, args.heads * args.head_width));
}

}  // namespace

void attend(const AttendArgs& args) { attend(args, active_isa()); }

void attend(const AttendArgs& args, Isa isa) {
  require_isa(kWhere, isa);
  check(args);
  if (args.sequences * args.queries == 0) return;
  const detail::AttendChoice choice = detail::select_attend(args.q.type, isa);
  if (choice.product.multiply == nullptr) {
    reference::attend(args);
  } else {
    detail::run_attend(choice, args);
  }
}

std::string explain_attend(ActType type, Isa isa) {
  require_isa(kWhere, isa);
  require_float(type);
  return detail::select_attend(type, isa).kernel->name;
}

}  // namespace conopa::kernels

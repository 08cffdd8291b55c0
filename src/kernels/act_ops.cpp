#include "conopa/kernels/act_ops.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "conopa/core/parallel.h"
#include "kernels/act_check.h"
#include "kernels/act_ops_table.h"
#include "kernels/reference/act_ops.h"
#include "kernels/scratch.h"
#ifdef CONOPA_X86_KERNELS
#include "kernels/act_ops_isa.h"
#endif

namespace conopa::kernels {

namespace {

constexpr ActOps kReferenceOps{.name = "reference",
                               .isa = Isa::kReference,
                               .norm_rows = reference::norm_rows,
                               .convert_rows = reference::convert_rows,
                               .patch_rows = reference::patch_rows,
                               .map_patches = reference::map_patches,
                               .depthwise_rows = reference::depthwise_rows};

const ActOps& checked_ops(std::string_view where, Isa isa) {
  require_isa(where, isa);
  return act_ops(isa);
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Rows of one part, so that a part is worth a thread.
std::int64_t row_grain(std::int64_t width) { return 1 + 8192 / width; }

/// Same type on both sides: the elements, then zeros.
void copy_rows(const ConvertRows& args, std::int64_t begin, std::int64_t end) {
  const std::int64_t size = act_size(args.x.type);
  const auto used = static_cast<std::size_t>(args.width * size);
  const auto padded = static_cast<std::size_t>(act_padded(args.x.type, args.width) * size);
  for (std::int64_t row = begin; row < end; ++row) {
    auto* const y = static_cast<std::byte*>(args.y.data) + row * args.y.stride * size;
    std::memcpy(y, static_cast<const std::byte*>(args.x.data) + row * args.x.stride * size, used);
    std::memset(y + used, 0, padded - used);
  }
}

void require_map(std::string_view where, std::int64_t batch, std::int64_t height,
                 std::int64_t width, std::int64_t channels) {
  require_dimension(where, "batch", batch, 0);
  require_dimension(where, "height", height, 1);
  require_dimension(where, "width", width, 1);
  require_dimension(where, "channels", channels, 1);
}

}  // namespace

void require_isa(std::string_view where, Isa isa) {
  if (isa > detected_isa()) {
    throw UnsupportedError(where, "expected at most {}, the best of this machine, got {}; lower it",
                           isa_name(detected_isa()), isa_name(isa));
  }
}

std::span<const ActOps> act_ops_table() noexcept {
#ifdef CONOPA_X86_KERNELS
  static const std::array<ActOps, 4> table{avx512bf16::kActOps, avx512::kActOps, avx2::kActOps,
                                           kReferenceOps};
#else
  static const std::array<ActOps, 1> table{kReferenceOps};
#endif
  return table;
}

const ActOps& act_ops(Isa isa) noexcept {
  for (const ActOps& ops : act_ops_table()) {
    if (ops.isa <= isa) return ops;
  }
  return act_ops_table().back();  // the reference needs nothing
}

void norm_rows(const NormRows& args, const ActOps& ops) {
  constexpr std::string_view kWhere = "norm_rows";
  require_dimension(kWhere, "rows", args.rows, 0);
  require_dimension(kWhere, "width", args.width, 1);
  if (args.rows == 0) return;
  require_pointer(kWhere, "x", args.x);
  require_stride(kWhere, "x", args.x_stride, args.width);
  require_act(kWhere, "y", args.y, args.width);
  parallel_for(0, args.rows, row_grain(args.width),
               [&](std::int64_t begin, std::int64_t end) { ops.norm_rows(args, begin, end); });
}

void convert_rows(const ConvertRows& args, const ActOps& ops) {
  constexpr std::string_view kWhere = "convert_rows";
  require_dimension(kWhere, "rows", args.rows, 0);
  require_dimension(kWhere, "width", args.width, 1);
  if (args.x.type == ActType::kI8) {
    throw UnsupportedError(kWhere, "expected float32 or bfloat16 rows, got int8; keep the source");
  }
  if (args.rows == 0) return;
  require_act(kWhere, "x", args.x, args.width);
  require_act(kWhere, "y", args.y, args.width);
  const auto convert = args.x.type == args.y.type ? copy_rows : ops.convert_rows;
  parallel_for(0, args.rows, row_grain(args.width),
               [&](std::int64_t begin, std::int64_t end) { convert(args, begin, end); });
}

void patch_rows(const PatchRows& args, const ActOps& ops) {
  constexpr std::string_view kWhere = "patch_rows";
  require_map(kWhere, args.batch, args.height, args.width, args.channels);
  require_dimension(kWhere, "patch", args.patch, 1);
  if (args.batch == 0) return;
  const std::int64_t size = args.channels * args.patch * args.patch;
  require_pointer(kWhere, "images", args.images);
  require_act(kWhere, "y", args.y, size);
  const std::int64_t rows =
      args.batch * ceil_div(args.height, args.patch) * ceil_div(args.width, args.patch);
  parallel_for(0, rows, row_grain(size), [&](std::int64_t begin, std::int64_t end) {
    ops.patch_rows(args, begin, end, thread_scratch(ScratchSlot::kLocal, patch_scratch(size)));
  });
}

void map_patches(const MapPatches& args, const ActOps& ops) {
  constexpr std::string_view kWhere = "map_patches";
  require_map(kWhere, args.batch, args.height, args.width, args.channels);
  require_dimension(kWhere, "patch", args.patch, 1);
  if (args.map.type == ActType::kI8) {
    throw UnsupportedError(kWhere, "expected a float32 or bfloat16 map, got int8; keep the source");
  }
  if (args.batch == 0) return;
  const std::int64_t size = args.channels * args.patch * args.patch;
  require_pointer(kWhere, "map", args.map.data);
  require_stride(kWhere, "map", args.map.stride, args.channels);
  require_act(kWhere, "y", args.y, size);
  const std::int64_t rows =
      args.batch * ceil_div(args.height, args.patch) * ceil_div(args.width, args.patch);
  parallel_for(0, rows, row_grain(size), [&](std::int64_t begin, std::int64_t end) {
    ops.map_patches(args, begin, end, thread_scratch(ScratchSlot::kLocal, patch_scratch(size)));
  });
}

void depthwise_rows(const DepthwiseRows& args, const ActOps& ops) {
  constexpr std::string_view kWhere = "depthwise_rows";
  require_map(kWhere, args.batch, args.height, args.width, args.channels);
  require_dimension(kWhere, "first row of the map", args.first_row, 0);
  require_dimension(kWhere, "rows of an image", args.rows_per_image,
                    args.first_row + args.height * args.width);
  if (args.batch == 0) return;
  require_pointer(kWhere, "x", args.x);
  require_pointer(kWhere, "y", args.y);
  require_pointer(kWhere, "weight", args.weight);
  require_stride(kWhere, "x and y", args.stride, args.channels);
  if (args.x == args.y) {
    throw ShapeError(kWhere, "y must not be x, whose neighbours are still needed; pass a copy");
  }
  const std::int64_t grain = row_grain(args.width * args.channels);
  parallel_for(0, args.batch * args.height, grain,
               [&](std::int64_t begin, std::int64_t end) { ops.depthwise_rows(args, begin, end); });
}

void norm_rows(const NormRows& args) { norm_rows(args, act_ops(active_isa())); }
void norm_rows(const NormRows& args, Isa isa) { norm_rows(args, checked_ops("norm_rows", isa)); }
void convert_rows(const ConvertRows& args) { convert_rows(args, act_ops(active_isa())); }
void convert_rows(const ConvertRows& args, Isa isa) {
  convert_rows(args, checked_ops("convert_rows", isa));
}
void patch_rows(const PatchRows& args) { patch_rows(args, act_ops(active_isa())); }
void map_patches(const MapPatches& args) { map_patches(args, act_ops(active_isa())); }
void depthwise_rows(const DepthwiseRows& args) { depthwise_rows(args, act_ops(active_isa())); }

}  // namespace conopa::kernels

#pragma once

#include <cstdint>
#include <span>

#include "conopa/kernels/act_ops.h"
#include "conopa/kernels/isa.h"

namespace conopa::kernels {

/// One row of the table of row operations. Arguments are valid; every function does the part
/// [begin, end) of the work on the calling thread. Unless said otherwise the parts are output rows.
struct ActOps {
  const char* name;
  Isa isa;
  void (*norm_rows)(const NormRows& args, std::int64_t begin, std::int64_t end);
  void (*convert_rows)(const ConvertRows& args, std::int64_t begin, std::int64_t end);
  /// @param scratch  patch_scratch(C*P*P) floats.
  void (*patch_rows)(const PatchRows& args, std::int64_t begin, std::int64_t end, float* scratch);
  /// @param scratch  patch_scratch(C*P*P) floats.
  void (*map_patches)(const MapPatches& args, std::int64_t begin, std::int64_t end, float* scratch);
  /// Parts are lines of the maps: line b*height + y.
  void (*depthwise_rows)(const DepthwiseRows& args, std::int64_t begin, std::int64_t end);
};

/// Scratch of the patch functions for patches of `size` values, in floats: one patch twice, and
/// room for blocks that reach beyond its end.
[[nodiscard]] constexpr std::int64_t patch_scratch(std::int64_t size) noexcept {
  return 2 * (size + 512);
}

/// All rows, best first; the reference comes last and runs everywhere.
[[nodiscard]] std::span<const ActOps> act_ops_table() noexcept;

/// First row at or below `isa`.
[[nodiscard]] const ActOps& act_ops(Isa isa) noexcept;

/// The operations with a given row of the table: argument checks and threads around it.
void norm_rows(const NormRows& args, const ActOps& ops);
void convert_rows(const ConvertRows& args, const ActOps& ops);
void patch_rows(const PatchRows& args, const ActOps& ops);
void map_patches(const MapPatches& args, const ActOps& ops);
void depthwise_rows(const DepthwiseRows& args, const ActOps& ops);

}  // namespace conopa::kernels

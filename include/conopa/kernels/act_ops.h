#pragma once

#include <cstdint>

#include "conopa/kernels/act_rows.h"
#include "conopa/kernels/isa.h"
#include "conopa/kernels/norm.h"

namespace conopa::kernels {

/// Normalises rows of float32 into activations of any type.
struct NormRows {
  NormKind kind = NormKind::kRms;
  std::int64_t rows = 0;
  std::int64_t width = 0;
  float eps = 1e-6F;
  const float* x = nullptr;  ///< [rows, width]
  std::int64_t x_stride = 0;
  const float* weight = nullptr;  ///< [width] or null (1)
  const float* bias = nullptr;    ///< [width] or null (0)
  MutableAct y{};                 ///< kI8: quantised per row, scale = largest magnitude / 127
};

/// The padding of every row that these functions write becomes zero.
/// @throws ShapeError if a pointer is null or a stride too small.
/// @complexity O(rows*width), no allocation. Thread-safe, parallel over rows.
void norm_rows(const NormRows& args);
/// As above with kernels up to level `isa`.
/// @throws UnsupportedError if `isa` is above detected_isa().
void norm_rows(const NormRows& args, Isa isa);

/// Converts rows between types: kF32 -> kBf16, kI8; kBf16 -> kF32, kI8; same type copies. bfloat16
/// rounds to nearest even; AVX-512 BF16 takes subnormal numbers for zero.
struct ConvertRows {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  ConstAct x{};
  MutableAct y{};
};

/// int8 rows take scale = largest magnitude / 127 (1 for a row below 1e-30, whose elements become
/// 0) and round to nearest even. NaN or infinity makes the row's scale not finite and its elements
/// 0: it spoils what is computed from the row.
/// @throws ShapeError as norm_rows; UnsupportedError for int8 input.
void convert_rows(const ConvertRows& args);
void convert_rows(const ConvertRows& args, Isa isa);

/// Cuts images into rows of patches, the input of a patch embedding: row (b, r, c) holds
/// [C, P, P] values of the patch, zeros beyond the image's edges.
struct PatchRows {
  std::int64_t batch = 0;
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t patch = 0;
  const float* images = nullptr;  ///< [B, C, H, W]
  MutableAct y{};  ///< [B*ceil(H/P)*ceil(W/P), C*P*P]; any type, kI8 scaled as convert_rows
};
void patch_rows(const PatchRows& args);

/// The same for a map of rows: [B, H, W, C] float32 -> [B*ceil(H/P)*ceil(W/P), C*P*P],
/// channel-major as in a convolution weight [*, C, P, P].
struct MapPatches {
  std::int64_t batch = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t patch = 0;
  ConstAct map{};  ///< kF32 or kBf16
  MutableAct y{};
};
void map_patches(const MapPatches& args);

/// x += depthwise 3x3 convolution of the map (zero padding), in place over float32 rows.
struct DepthwiseRows {
  std::int64_t batch = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  const float* x = nullptr;  ///< [B, rows_per_image, C], the map's tokens begin at first_row
  float* y = nullptr;        ///< same shape, not x; only the map's tokens are written
  std::int64_t stride = 0;   ///< elements between rows of x and y
  std::int64_t rows_per_image = 0;
  std::int64_t first_row = 0;
  const float* weight = nullptr;  ///< [9, C]
  const float* bias = nullptr;    ///< [C] or null
};
void depthwise_rows(const DepthwiseRows& args);

}  // namespace conopa::kernels

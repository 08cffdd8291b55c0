#pragma once

#include <cstdint>

#include "kernels/act_ops_table.h"
#include "kernels/simd/act_rows.h"

namespace conopa::kernels::simd {

// Cutting images and maps into rows of patches: a patch is collected as float32 in scratch, from
// where it is written in any type.

/// Where patch `row` of a grid begins. Inlined by force, as all that depends on no vector type.
struct PatchPlace {
  std::int64_t image, y, x;
};
[[gnu::always_inline]] inline PatchPlace patch_place(std::int64_t row, std::int64_t height,
                                                     std::int64_t width,
                                                     std::int64_t patch) noexcept {
  const std::int64_t columns = (width + patch - 1) / patch;
  const std::int64_t lines = (height + patch - 1) / patch;
  return {row / (lines * columns), row / columns % lines * patch, row % columns * patch};
}

template <typename L>
[[gnu::always_inline]] inline void write_floats(const MutableAct& to, std::int64_t row,
                                                std::int64_t width, const float* from) noexcept {
  write_row<L>(to, row, width, [=](std::int64_t i, auto n) { return L::V::load(from + i, n); });
}

template <typename L>
void patch_rows(const PatchRows& args, std::int64_t begin, std::int64_t end, float* scratch) {
  using V = typename L::V;
  for (std::int64_t row = begin; row < end; ++row) {
    const PatchPlace place = patch_place(row, args.height, args.width, args.patch);
    const float* const image = args.images + place.image * args.channels * args.height * args.width;
    const std::int64_t inside = args.width - place.x;
    float* to = scratch;
    for (std::int64_t c = 0; c < args.channels; ++c) {
      for (std::int64_t y = place.y; y < place.y + args.patch; ++y, to += args.patch) {
        const std::int64_t present = y >= args.height      ? 0
                                     : inside < args.patch ? inside
                                                           : args.patch;
        const float* const from = image + (c * args.height + y) * args.width + place.x;
        // Whole vectors are stored: what reaches beyond the line is overwritten by the next.
        for (std::int64_t x = 0; x < args.patch; x += V::kLanes) {
          const V v = present - x >= V::kLanes ? V::load(from + x)
                      : present > x            ? V::load(from + x, present - x)
                                               : V::zero();
          v.store(to + x);
        }
      }
    }
    write_floats<L>(args.y, row, args.channels * args.patch * args.patch, scratch);
  }
}

/// The tokens [first, first + count) of a patch and `n` channels from c on, transposed into
/// to[channel][token].
template <typename L, typename Source, typename N>
inline void transpose_tokens(const MapPatches& args, const PatchPlace& place, std::int64_t first,
                             std::int64_t count, std::int64_t c, N n, float* to) noexcept {
  using V = typename L::V;
  const auto* const data = static_cast<const typename Source::Element*>(args.map.data);
  alignas(64) float block[V::kLanes * V::kLanes];
  for (std::int64_t t = 0; t < V::kLanes; ++t) {
    const std::int64_t y = place.y + (first + t) / args.patch;
    const std::int64_t x = place.x + (first + t) % args.patch;
    const bool inside = t < count && y < args.height && x < args.width;
    const std::int64_t token = (place.image * args.height + y) * args.width + x;
    const V v = inside ? Source::load(data + token * args.map.stride + c, n) : V::zero();
    v.store(block + t * V::kLanes);
  }
  V::transpose(block, V::kLanes, to, V::kLanes);
}

template <typename L, typename Source>
inline void map_patches_from(const MapPatches& args, std::int64_t begin, std::int64_t end,
                             float* scratch) noexcept {
  using V = typename L::V;
  const std::int64_t tokens = args.patch * args.patch;
  for (std::int64_t row = begin; row < end; ++row) {
    const PatchPlace place = patch_place(row, args.height, args.width, args.patch);
    for_vectors<V>(0, args.channels, [&](std::int64_t c, auto n) {
      const std::int64_t channels = args.channels - c < V::kLanes ? args.channels - c : V::kLanes;
      for (std::int64_t first = 0; first < tokens; first += V::kLanes) {
        const std::int64_t count = tokens - first < V::kLanes ? tokens - first : V::kLanes;
        alignas(64) float block[V::kLanes * V::kLanes];
        transpose_tokens<L, Source>(args, place, first, count, c, n, block);
        for (std::int64_t i = 0; i < channels; ++i) {
          V::load(block + i * V::kLanes).store(scratch + (c + i) * tokens + first, count);
        }
      }
    });
    write_floats<L>(args.y, row, args.channels * tokens, scratch);
  }
}

template <typename L>
void map_patches(const MapPatches& args, std::int64_t begin, std::int64_t end, float* scratch) {
  if (args.map.type == ActType::kF32) {
    map_patches_from<L, FloatSource<L>>(args, begin, end, scratch);
  } else {
    map_patches_from<L, Bf16Source<L>>(args, begin, end, scratch);
  }
}

}  // namespace conopa::kernels::simd

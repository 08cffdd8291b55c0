#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "conopa/core/dtype.h"

namespace conopa::kernels::testing_support {

/// Eight tiles of 16 rows of 64 bytes and the instructions on them, as the processor's manual
/// describes them: the policy of linear_amx_panel.h for machines without AMX.
class EmulatedTiles {
 public:
  template <int kTile>
  static void zero() {
    tiles()[kTile] = {};
  }
  template <int kTile>
  static void load(const void* from, std::int64_t stride) {
    for (std::int64_t row = 0; row < 16; ++row) {
      std::memcpy(tiles()[kTile][static_cast<std::size_t>(row)].data(),
                  static_cast<const std::byte*>(from) + row * stride, 64);
    }
  }
  template <int kTile>
  static void store(void* to, std::int64_t stride) {
    for (std::int64_t row = 0; row < 16; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * stride,
                  tiles()[kTile][static_cast<std::size_t>(row)].data(), 64);
    }
  }
  static void prefetch(const void* /*from*/) {}
  static void prefetch_far(const void* /*from*/) {}
  static void prefetch_output(const void* /*to*/) {}

 protected:
  using Tile = std::array<std::array<std::byte, 64>, 16>;
  static std::array<Tile, 8>& tiles() {
    thread_local std::array<Tile, 8> all;
    return all;
  }
  template <typename T>
  static T at(int tile, std::size_t row, std::size_t element) {
    T value;
    std::memcpy(&value, tiles()[static_cast<std::size_t>(tile)][row].data() + element * sizeof(T),
                sizeof(T));
    return value;
  }
  template <typename T>
  static void set(int tile, std::size_t row, std::size_t element, T value) {
    std::memcpy(tiles()[static_cast<std::size_t>(tile)][row].data() + element * sizeof(T), &value,
                sizeof(T));
  }
};

/// TDPBF16PS: pairs of products added one after the other to float32 sums.
struct EmulatedBf16Tiles : EmulatedTiles {
  template <int kSum, int kLeft, int kRight>
  static void multiply() {
    for (std::size_t m = 0; m < 16; ++m) {
      for (std::size_t k = 0; k < 16; ++k) {
        for (std::size_t n = 0; n < 16; ++n) {
          float sum = at<float>(kSum, m, n);
          for (std::size_t i = 0; i < 2; ++i) {
            sum += bf16_to_float(at<std::uint16_t>(kLeft, m, 2 * k + i)) *
                   bf16_to_float(at<std::uint16_t>(kRight, k, 2 * n + i));
          }
          set(kSum, m, n, sum);
        }
      }
    }
  }
};

/// TDPBSSD: four products of int8 added to int32 sums.
struct EmulatedInt8Tiles : EmulatedTiles {
  template <int kSum, int kLeft, int kRight>
  static void multiply() {
    for (std::size_t m = 0; m < 16; ++m) {
      for (std::size_t k = 0; k < 16; ++k) {
        for (std::size_t n = 0; n < 16; ++n) {
          auto sum = at<std::int32_t>(kSum, m, n);
          for (std::size_t i = 0; i < 4; ++i) {
            sum += at<std::int8_t>(kLeft, m, 4 * k + i) * at<std::int8_t>(kRight, k, 4 * n + i);
          }
          set(kSum, m, n, sum);
        }
      }
    }
  }
};

}  // namespace conopa::kernels::testing_support

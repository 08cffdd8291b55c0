#pragma once

#include <cstdint>

namespace conopa::kernels {

// Each function runs `rounds` rounds of a fixed number of independent multiply-adds. The empty
// assembly statements keep the compiler from folding the chains. Sums of integers go through a
// local of their own: GCC 12 would otherwise keep the array in memory, which halves the speed.

namespace avx2 {
inline constexpr int kFmaChains = 12;  // more than latency times ports; sixteen registers
inline constexpr int kByteChains = 8;  // with a temporary each
void spin_fma(std::int64_t rounds);
/// vpmaddubsw, vpmaddwd, vpaddd: bytes into int32 sums without VNNI.
void spin_bytes(std::int64_t rounds);
}  // namespace avx2

namespace avx512 {
inline constexpr int kFmaChains = 24;
inline constexpr int kByteChains = 12;
void spin_fma(std::int64_t rounds);
void spin_bytes(std::int64_t rounds);
}  // namespace avx512

namespace avx512bf16 {
inline constexpr int kChains = 24;
void spin_bf16(std::int64_t rounds);  ///< vdpbf16ps
void spin_i8(std::int64_t rounds);    ///< vpdpbusd
}  // namespace avx512bf16

namespace amx {
inline constexpr int kTiles = 4;      // accumulators of a 2x2 micro-kernel
void spin_bf16(std::int64_t rounds);  ///< tdpbf16ps on full tiles
void spin_i8(std::int64_t rounds);    ///< tdpbssd
}  // namespace amx

}  // namespace conopa::kernels

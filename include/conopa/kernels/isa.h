#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace conopa::kernels {

/// Instruction-set levels a kernel can be written for; each includes all lower ones.
enum class Isa : std::uint8_t {
  kReference,   ///< portable C++
  kAvx2,        ///< AVX2, FMA, F16C
  kAvx512,      ///< AVX-512 F, BW, VL, DQ
  kAvx512Bf16,  ///< AVX-512 BF16 and VNNI
  kAmx          ///< AMX tile, bf16, int8 (Linux grants the tile registers per process)
};

/// The spelling that CONOPA_ISA takes: "reference", "avx2", "avx512", "avx512_bf16", "amx".
[[nodiscard]] std::string_view isa_name(Isa isa) noexcept;

/// Inverse of isa_name; nothing for an unknown spelling.
[[nodiscard]] std::optional<Isa> isa_from_name(std::string_view name) noexcept;

/// Highest level that processor and operating system offer. Detected once per process; the first
/// call asks Linux for permission to use the AMX tiles and falls back silently if refused.
[[nodiscard]] Isa detected_isa() noexcept;

/// Every level of this machine, lowest first.
[[nodiscard]] std::vector<Isa> available_isas();

/// The level that `request` (a value of CONOPA_ISA, empty for none) selects on a machine that
/// offers `detected`.
///
/// @throws UnsupportedError if the name is unknown or the level is above `detected`.
[[nodiscard]] Isa resolve_isa(std::string_view request, Isa detected);

/// The level kernels are chosen by: detected_isa() capped by the environment variable CONOPA_ISA,
/// which is read once.
///
/// @throws UnsupportedError as resolve_isa, on every call.
[[nodiscard]] Isa active_isa();

}  // namespace conopa::kernels
